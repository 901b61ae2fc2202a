import { Cluster, type ClusterNode, type ClusterOptions, type RedisOptions } from 'ioredis';

/** How replies are mapped stays the library's default: the same shapes on RESP2 and RESP3. */
export type OneRedisOptions = Omit<RedisOptions, 'replyMapping' | 'protocol'>;
export type OneClusterOptions = Omit<ClusterOptions, 'redisOptions'> & { redisOptions: OneRedisOptions };

type SendCommand = Parameters<Cluster['sendCommand']>;

/**
 * The library's client of a cluster, with a deadline for what would wait for ever: commands while no server is there (the
 * library counts their time from when they go out to one, and keeps them in a queue without bounds), where the options
 * have a `commandTimeout`; and the library's own question whether the cluster is well, which may go to a server that hangs.
 * It asks who has which slot once in a while until it is ended; the library's own timer for that may outlive the client.
 */
export class PunctualCluster extends Cluster {
  readonly #deadlineMs: number;
  readonly #everyCommand: boolean;
  readonly #refresher: NodeJS.Timeout;
  /** Since when there is no server at all (monotonic ms). */
  #awaySince: number | undefined = performance.now();

  constructor(nodes: ClusterNode[], options: OneClusterOptions, deadlineMs: number, refreshMs: number) {
    super(nodes, options);
    this.#refresher = setInterval(() => {
      if (this.status === 'ready') this.refreshSlotsCache();
    }, refreshMs);
    this.#deadlineMs = deadlineMs;
    this.#everyCommand = options.redisOptions.commandTimeout !== undefined;
    this.on('close', () => {
      this.#awaySince ??= performance.now();
    });
    this.on('ready', () => {
      this.#awaySince = undefined;
    });
  }

  override disconnect(reconnect = false): void {
    if (!reconnect) clearInterval(this.#refresher);
    super.disconnect(reconnect);
  }

  override quit(callback?: Parameters<Cluster['quit']>[0]): Promise<'OK'> {
    clearInterval(this.#refresher);
    return super.quit(callback);
  }

  override sendCommand(...[command, stream, node]: SendCommand): unknown {
    const own = command.name === 'cluster';
    if (own || this.#everyCommand) {
      // It has waited here, and its caller was told that it failed.
      if (command.isSettled) return command.promise;
      if (!own && this.#isGivenUp()) {
        command.reject(new Error('no server of the cluster is there'));
        return command.promise;
      }
      command.setTimeout(this.#deadlineMs);
    }
    return super.sendCommand(command, stream, node);
  }

  // What comes within a deadline may wait for one; who comes later hears at once.
  #isGivenUp(): boolean {
    const since = this.#awaySince;
    return this.status !== 'ready' && since !== undefined && performance.now() - since > this.#deadlineMs;
  }
}
