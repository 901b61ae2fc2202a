/** Loaded into a node whose memory is measured: what is garbage goes on SIGUSR2, as node --expose-gc lets it. */

process.on('SIGUSR2', () => globalThis.gc?.());
