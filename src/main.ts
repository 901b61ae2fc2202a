import { ConfigError, loadConfig, loadEnvFile } from './config.js';

/** How long load balancers have to notice that this node is not ready, in ms; never longer than the drain. */
const NOTICE_MS = 1_000;

/** Exit codes: 0 after a drain, 1 for what the operator must mend, 2 for a fault of ours. */
const EXIT = { drained: 0, refused: 1, fault: 2 } as const;

let stop: (signal: NodeJS.Signals) => void = () => process.exit(EXIT.drained);
// Before the node is loaded: in a container nothing but its own handler ends the first process, and a signal is sent once.
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));

async function main(): Promise<void> {
  loadEnvFile('.env');
  const config = loadConfig(process.env);
  const { createApp, createLogger } = await import('./app.js');
  const log = createLogger(config);
  const fail = (words: string) => (error: unknown) => {
    log.fatal({ err: error }, words);
    process.exit(EXIT.fault);
  };
  process.on('unhandledRejection', fail('unhandled rejection'));
  process.on('uncaughtException', fail('uncaught exception'));
  for (const warning of config.warnings) log.warn(warning);

  let draining = false;
  const app = await createApp(config, log, (faults) => {
    for (const fault of faults) log.fatal(fault);
    if (!draining) process.exit(EXIT.refused);
  });
  stop = (signal) => {
    if (draining) return;
    draining = true;
    log.info({ signal }, 'draining');
    void app.drain(Math.min(NOTICE_MS, config.drainMs), config.drainMs).then(() => {
      log.info('drained');
      process.exit(EXIT.drained);
    });
  };
  const address = await app.server.listen({ host: config.host, port: config.port });
  log.info({ address }, 'listening');
}

main().catch((error: unknown) => {
  // Before there is a logger, and in words that an operator can act on.
  const words = error instanceof ConfigError ? error.message : String(error);
  process.stderr.write(`${words}\n`);
  process.exit(EXIT.refused);
});
