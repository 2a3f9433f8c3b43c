//! The rule packs that are compiled in.

use super::{Origin, Source};

/// Name and text of each file in `rules/`, in the order of their names. A test compares the list with the folder.
pub const PACKS: &[(&str, &str)] = &[
    ("rules/activemq.toml", include_str!("../../rules/activemq.toml")),
    ("rules/amqp.toml", include_str!("../../rules/amqp.toml")),
    ("rules/artemis.toml", include_str!("../../rules/artemis.toml")),
    ("rules/cassandra.toml", include_str!("../../rules/cassandra.toml")),
    ("rules/cloud.toml", include_str!("../../rules/cloud.toml")),
    ("rules/coordination.toml", include_str!("../../rules/coordination.toml")),
    ("rules/grpc.toml", include_str!("../../rules/grpc.toml")),
    ("rules/hadoop.toml", include_str!("../../rules/hadoop.toml")),
    ("rules/http-clients.toml", include_str!("../../rules/http-clients.toml")),
    ("rules/jdbc-pools.toml", include_str!("../../rules/jdbc-pools.toml")),
    ("rules/kafka.toml", include_str!("../../rules/kafka.toml")),
    ("rules/kubernetes.toml", include_str!("../../rules/kubernetes.toml")),
    ("rules/loss.toml", include_str!("../../rules/loss.toml")),
    ("rules/messaging.toml", include_str!("../../rules/messaging.toml")),
    ("rules/mongodb.toml", include_str!("../../rules/mongodb.toml")),
    ("rules/mysql.toml", include_str!("../../rules/mysql.toml")),
    ("rules/network.toml", include_str!("../../rules/network.toml")),
    ("rules/observability.toml", include_str!("../../rules/observability.toml")),
    ("rules/postgres.toml", include_str!("../../rules/postgres.toml")),
    ("rules/proxies.toml", include_str!("../../rules/proxies.toml")),
    ("rules/redis.toml", include_str!("../../rules/redis.toml")),
    ("rules/search.toml", include_str!("../../rules/search.toml")),
    ("rules/supervisors.toml", include_str!("../../rules/supervisors.toml")),
    ("rules/workers.toml", include_str!("../../rules/workers.toml")),
];

/// All of them as sources.
pub fn sources() -> impl Iterator<Item = Source<'static>> {
    PACKS.iter().map(|&(name, text)| Source { name, text, origin: Origin::BuiltIn })
}
