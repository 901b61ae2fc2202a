import { createApp, createLogger } from './app.js';
import { ConfigError, loadConfig, loadEnvFile } from './config.js';

/** How long load balancers have to notice that this node is not ready, in ms; never longer than the drain. */
const NOTICE_MS = 1_000;
/** What a drain may take beyond `DRAIN_MS`, in ms. */
const DRAIN_MARGIN_MS = 15_000;

/** Exit codes: 0 after a drain, 1 for what the operator must mend, 2 for a fault of ours. */
const EXIT = { drained: 0, refused: 1, fault: 2 } as const;

async function main(): Promise<void> {
  loadEnvFile('.env');
  const config = loadConfig(process.env);
  const log = createLogger(config);
  for (const warning of config.warnings) log.warn(warning);

  const app = await createApp(config, log, (faults) => {
    for (const fault of faults) log.fatal(fault);
    process.exit(EXIT.refused);
  });

  let draining = false;
  const drain = (signal: NodeJS.Signals) => {
    if (draining) return;
    draining = true;
    log.info({ signal }, 'draining');
    setTimeout(() => {
      log.error('the drain took too long');
      process.exit(EXIT.fault);
    }, config.drainMs + DRAIN_MARGIN_MS).unref();
    void app.drain(Math.min(NOTICE_MS, config.drainMs), config.drainMs).then(() => {
      log.info('drained');
      process.exit(EXIT.drained);
    });
  };
  process.on('SIGTERM', drain);
  process.on('SIGINT', drain);
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(EXIT.fault);
  });

  const address = await app.server.listen({ host: config.host, port: config.port });
  log.info({ address }, 'listening');
}

main().catch((error: unknown) => {
  // Before there is a logger, and in words that an operator can act on.
  const words = error instanceof ConfigError ? error.message : String(error);
  process.stderr.write(`${words}\n`);
  process.exit(EXIT.refused);
});
