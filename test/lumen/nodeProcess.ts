/** An embedded node as a process of its own, for tests that kill it: its name, port and milliseconds a request as arguments. */

import { startLumenNode } from '../../src/testing/lumenNode.js';

const [name, port, msPerRequest] = process.argv.slice(2);
const node = await startLumenNode({ name, port: Number(port), msPerRequest: Number(msPerRequest) });
console.log(`listening on ${node.port}`);
// Not to outlive the test that started it.
process.stdin.on('end', () => process.exit(0)).resume();
