//! From a message to a template and its public id.
//!
//! The way of a line: its digit-words become one byte each ([`template`], `normalise`), codes of failures excepted (`codes`); what is
//! variable without a digit is masked by its looks and its neighbours (`masks`, `names`); placeholders eat what is glued to them, and lists of them
//! become one. A record of several lines adds its exceptions and top frames ([`trace`]). [`group`] joins fingerprints that differ in
//! one word, for people. What this does not do: learn. A template is a function of its line alone, so that every node agrees on it.
//!
//! The one invariant: a template depends on the bytes outside the digit-words, on their kinds, and on the contents of nothing but the
//! discriminators it names; `contract` tests it.
//!
//! Worked examples, checked by `tests/golden.rs` (the id is the first 16 hex digits of SHA-256 over
//! `squelch/<mask version>\n<severity>\n<template>`):
//!
//! | line | severity | template | fingerprint |
//! |---|---|---|---|
//! | `{"msg":"request failed","status":429,"user":"ada"}` | `-` | `request failed status=429 user` | `ba26d867d79d6cc4` |
//! | `{"msg":"request failed","status":500,"user":"bob"}` | `-` | `request failed status=500 user` | `3c9eef88062e246d` |
//! | `Connection to activemq-1.prod:61616 failed, retrying in 0ms (attempt 13768)` | `-` | `Connection to <host> failed, retrying in <dur> (attempt <num>)` | `868755d4961fe1de` |
//! | `dial tcp 10.0.4.82:9092: connect: connection refused; retry 14727 in 100ms` | `-` | `dial tcp <ip>: connect: connection refused; retry <num> in <dur>` | `1feb84c768c13eee` |
//! | `HTTP 503 from https://pay.example/v1/charge?id=77 after 1.2s` | `-` | `HTTP 503 from <url> after <dur>` | `e068dd3f013e0667` |
//! | `FATAL: sorry, too many clients already` | `fatal` | `FATAL: sorry, too many clients already` | `58c36f3e1355ccf7` |
//! | `Failed password for invalid user oracle from 203.0.113.9 port 51022 ssh2` | `-` | `Failed password for invalid user <id> from <ip> port <num> ssh2` | `ea19ea69da542ed9` |
//! | `Failed password for root from 203.0.113.9 port 51022 ssh2` | `-` | `Failed password for <id> from <ip> port <num> ssh2` | `ac55fa648b7547e2` |
//! | `Invalid user webmaster from 203.0.113.9` | `-` | `Invalid user <id> from <ip>` | `1bc6e629e0daa293` |
//! | `mapreduce.cluster.local.dir is deprecated. Instead, use mapreduce.cluster.local.dir` | `-` | `<host> is deprecated. Instead, use <host>` | `508dc958af879b92` |
//! | `Received connection request /10.10.34.11:45307` | `-` | `Received connection request <ip>` | `1e59d46ca3ad4c83` |
//! | `request failed path=/v1/users/77 status=502 err="upstream timed out"` | `-` | `request failed path=<*> status=502 err="upstream timed out"` | `c3fca03eb3a8f61a` |
//! | `ORA-12541: TNS:no listener` | `-` | `ORA-12541: TNS:no listener` | `af6c76a837318d46` |
//! | `process exited with code 137` | `-` | `process exited with code 137` | `dd09cc57ea388eb8` |
//! | `process exited with code 0` | `-` | `process exited with code <num>` | `b405322b6923f331` |
//! | `rpc error: code = Unavailable desc = connection closed` | `-` | `rpc error: code = Unavailable desc = connection closed` | `42c4bb4143a94b1f` |
//! | `Retrying (Retry(total=2, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f3a2c>: Failed to establish a new connection: [Errno 111] Connection refused')': /api/v1/items` | `-` | `Retrying (Retry(total=<num>, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError('<<id> object at <hex>>: Failed to establish a new connection: [Errno 111] Connection refused')': <path>` | `130dd7338adddd1f` |
//! | `time="2024-05-06T07:08:09Z" level=warning msg="retrying in 5s" component=sync queue=orders attempt=3` | `warn` | `retrying in <dur> attempt queue` | `2d2c6481b9012c1f` |

mod codes;
#[cfg(test)]
mod contract;
pub mod group;
pub mod id;
mod masks;
mod names;
mod normalise;
pub mod template;
#[cfg(test)]
mod tests;
pub mod trace;

pub use id::{Fingerprint, MASK_VERSION};
