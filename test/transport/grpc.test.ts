/** `transport/grpc` holds the contract of transports, and a few promises of its own. */

import { testTransport } from '../../src/testing/testTransport.js';
import { grpcTransport } from '../../src/transport/grpc.js';

testTransport('grpc', (options) => grpcTransport(options));
