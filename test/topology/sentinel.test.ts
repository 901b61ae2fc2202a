/** Some of the suite on a Sentinel group, in every run of the tests; `scripts/test --topology sentinel` runs all of it there. */

import t from 'tap';

// As long as the files would have one by one.
t.setTimeout(3 * 240_000);

process.env.TEST_TOPOLOGY = 'sentinel';
await import('../conformance/matrix.test.js');
await import('../conformance/rooms-socket.test.js');
await import('../conformance/skillarena-socket.test.js');
