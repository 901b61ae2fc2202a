import { Cluster, type ClusterNode, type ClusterOptions, type RedisOptions } from 'ioredis';

// How replies are mapped stays the library's default: the same shapes on RESP2 and RESP3.
export type OneRedisOptions = Omit<RedisOptions, 'replyMapping' | 'protocol'>;
export type OneClusterOptions = Omit<ClusterOptions, 'redisOptions'> & { redisOptions: OneRedisOptions };

type SendCommand = Parameters<Cluster['sendCommand']>;

/**
 * The library's client of a cluster, whose commands all have a deadline. Its own begins when a command goes out to a
 * server: while none is there, a command would wait for the first to come back, in a queue without bounds.
 */
export class PunctualCluster extends Cluster {
  readonly #deadlineMs: number;
  /** Since when there is no server at all (monotonic ms). */
  #awaySince: number | undefined = performance.now();

  constructor(nodes: ClusterNode[], options: OneClusterOptions, deadlineMs: number) {
    super(nodes, options);
    this.#deadlineMs = deadlineMs;
    this.on('close', () => {
      this.#awaySince ??= performance.now();
    });
    this.on('ready', () => {
      this.#awaySince = undefined;
    });
  }

  override sendCommand(...[command, stream, node]: SendCommand): unknown {
    // It has waited here, and its caller was told that it failed.
    if (command.isSettled) return command.promise;
    // `cluster` is what the library itself asks on the way to be ready.
    if (command.name !== 'cluster' && this.#isGivenUp()) {
      command.reject(new Error('no server of the cluster is there'));
      return command.promise;
    }
    command.setTimeout(this.#deadlineMs);
    return super.sendCommand(command, stream, node);
  }

  // What comes in a deadline may wait for one; who comes later hears at once.
  #isGivenUp(): boolean {
    const since = this.#awaySince;
    return this.status !== 'ready' && since !== undefined && performance.now() - since > this.#deadlineMs;
  }
}
