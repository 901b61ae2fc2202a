/** Some of the suite on a cluster, in every run of the tests; `scripts/test --topology cluster` runs all of it there. */

import t from 'tap';

// As long as the files would have one by one.
t.setTimeout(3 * 240_000);

process.env.TEST_TOPOLOGY = 'cluster';
await import('../conformance/matrix.test.js');
await import('../conformance/rooms-socket.test.js');
await import('../conformance/skillarena-socket.test.js');
