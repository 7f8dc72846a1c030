//! Connections: how they are made, kept, limited and ended.

mod connections;
