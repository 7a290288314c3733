/** `transport/connect` holds the contract of transports, over gRPC. */

import { testTransport } from '../../src/testing/testTransport.js';
import { connectTransport } from '../../src/transport/connect.js';

testTransport('connect (grpc)', (options) => connectTransport(options));
