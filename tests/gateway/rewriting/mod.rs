//! What a route changes of a request and its answer: paths, hosts, headers, redirects and cookies.

mod answers;
mod hosts;
mod paths;
mod repair;
