/** What a client process is asked to do, and what it answers. Both travel as files of JSON. */

/**
 * @typedef {object} Member one socket
 * @property {string} user
 * @property {string} token '' where nobody asks for one
 * @property {string} room '' on sockets that carry all rooms of a user
 * @property {number} group sockets of one group get the same messages
 * @property {boolean} sender
 * @property {number[]} [partners] members whom its messages are addressed to, in turn; their groups get them too
 */

/**
 * @typedef {object} Plan
 * @property {'closed' | 'paced' | 'idle'} kind closed: the next message once one's own came back; paced: by the clock
 * @property {number} window closed: messages under way for each sender
 * @property {number} rate paced: messages a second, all together
 * @property {number} warmMs under the same load, before anything is measured
 * @property {number} warmCpu seconds that each node must have worked in its life by then: its code is compiled
 * @property {number} measureMs
 * @property {number} sampleEvery one in so many deliveries is timed
 */

/**
 * @typedef {object} Job
 * @property {string} speech a key of SPEECH
 * @property {number[]} ports of the nodes, taken in turn
 * @property {Member[]} members
 * @property {number} groups
 * @property {Plan} plan
 * @property {number[]} nodePids
 * @property {number[]} redisPids
 * @property {number[]} redisPorts
 */

/**
 * @typedef {object} Used CPU seconds
 * @property {number} nodes
 * @property {number} redis
 */

/**
 * @typedef {object} LiveResult
 * @property {number} sockets
 * @property {number} seconds of the measured window
 * @property {number} deliveries within it
 * @property {Used} cpu within it
 * @property {number} clientCpu of this process within it
 * @property {number} p50 ms from send to receive
 * @property {number} p99
 * @property {number} p999
 * @property {number} sent over the whole run
 * @property {number} expected deliveries over the whole run
 * @property {number} received
 * @property {number} wrong sockets that got another number of messages than their room has
 * @property {number} closed sockets that the other side closed
 */

/**
 * @typedef {object} Opening what it takes to open the sockets
 * @property {number} seconds
 * @property {Used} cpu
 */

/**
 * @typedef {object} IdleResult
 * @property {number} sockets
 * @property {Opening} anew by nodes that have just started, of people who are new to them
 * @property {Opening} back the same, after all connections were cut
 * @property {boolean} rested whether the nodes had nothing to do any more before that
 * @property {number} nodeKib resident memory of the nodes for each socket
 * @property {number} nodeKibLive the same without what was garbage
 * @property {number} redisBytes memory of Redis for each socket
 * @property {number} closed
 */

export {};
