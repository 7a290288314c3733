/** The examples of configurations in flare's documentation, as they stand there. */

/** By the name of their backend. */
export const seeds = {
  etcd: `[discovery]
backend = "etcd"
refresh_interval = 30
load_balance = "consistent_hash"

[discovery.backend_config]
endpoints = ["http://localhost:2379"]
service_type = "signaling-online"
ttl = 30

[discovery.namespace]
default = "production"
separator = "/"

[discovery.version]
default = "v1.0.0"
format = "semver"
enable_routing = true
`,
  consul: `[discovery]
backend = "consul"
refresh_interval = 30
load_balance = "round_robin"

[discovery.backend_config]
url = "http://localhost:8500"
service_type = "message-orchestrator"
`,
  dns: `[discovery]
backend = "dns"
refresh_interval = 60
load_balance = "random"

[discovery.backend_config]
domain = "local"
addresses = ["127.0.0.1:8080", "127.0.0.1:8081"]
service_type = "storage-reader"
`,
  mesh: `[discovery]
backend = "mesh"
refresh_interval = 30
load_balance = "least_connections"

[discovery.backend_config]
xds_server = "http://localhost:8080"
service_type = "session"
`,
} as const;

/** flare's `DiscoveryConfig` as its code examples fill it. */
export const flareConfig = {
  backend: 'etcd',
  backend_config: { endpoints: ['http://localhost:2379'], service_type: 'signaling-online' },
  namespace: null,
  version: null,
  tag_filters: [
    { key: 'environment', value: 'production', pattern: 'exact' },
    { key: 'region', value: 'us-east-1', pattern: 'exact' },
  ],
  load_balance: 'consistent_hash',
  health_check: { interval: 10, timeout: 5, failure_threshold: 3, success_threshold: 2, path: '/health' },
  refresh_interval: 30,
};
