//! The contract of the queue, against a real Redis: what every script promises.

mod admission;
mod claims;
mod drift;
mod fair;
mod fences;
mod flow;
mod functions;
mod jobs;
mod limits;
mod model;
mod money;
mod uploads;
