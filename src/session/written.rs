//! A session as it is kept elsewhere: in a file, or in a Redis.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use super::{Device, Session, id::SessionHandle, lifetime::Lifetime};
use crate::{
    address::{ClientAddr, PeerAddr},
    clock::Timestamp,
    identity::{Identity, Stamp, UserName},
};

/// A session as it is written. Times are in milliseconds.
#[derive(Serialize, Deserialize)]
pub(super) struct Written {
    handle: String,
    user: UserName,
    name: Option<String>,
    email: Option<String>,
    roles: Vec<String>,
    stamp: Option<Stamp>,
    user_agent: String,
    address: Option<IpAddr>,
    created: u64,
    idle: u64,
    absolute: u64,
    remembered: bool,
    last_use: u64,
}

impl Written {
    pub(super) fn of(session: &Session, last_use: Timestamp) -> Self {
        let (person, lifetime) = (session.identity(), session.lifetime());
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            handle: session.handle().as_str().to_owned(),
            user: person.username.clone(),
            name: person.name.clone(),
            email: person.email.clone(),
            roles: person.roles.clone(),
            stamp: person.stamp.clone(),
            user_agent: session.device().user_agent.to_string(),
            address: session.device().address.ip(),
            created: session.created().unix_millis(),
            idle: millis(lifetime.idle),
            absolute: millis(lifetime.absolute),
            remembered: lifetime.remembered,
            last_use: last_use.unix_millis(),
        }
    }

    /// As it is kept.
    pub(super) fn bytes(&self) -> Vec<u8> {
        // Strings and numbers alone: nothing in it can fail. What cannot be read again is no session.
        serde_json::to_vec(self).unwrap_or_default()
    }

    pub(super) fn session(self, people: &mut People) -> Session {
        let address = self.address.map_or(PeerAddr::UNIX.as_client(), ClientAddr::from);
        let person = Identity::new(self.user, self.name, self.email, self.roles, self.stamp);
        Session {
            handle: SessionHandle::of_text(self.handle),
            identity: people.one_of(person),
            device: Device::new(&self.user_agent, address),
            created: Timestamp::from_unix_millis(self.created),
            lifetime: Lifetime {
                idle: Duration::from_millis(self.idle),
                absolute: Duration::from_millis(self.absolute),
                remembered: self.remembered,
            },
            last_use: AtomicU64::new(self.last_use),
            written_use: AtomicU64::new(self.last_use),
        }
    }
}

/// Those who were read already: a person's sessions share who it is, as they do when they are made.
#[derive(Default)]
pub(super) struct People(HashMap<UserName, Vec<Arc<Identity>>>);

impl People {
    fn one_of(&mut self, person: Identity) -> Arc<Identity> {
        let known = self.0.entry(person.username.clone()).or_default();
        if let Some(same) = known.iter().find(|known| ***known == person) {
            return Arc::clone(same);
        }
        let person = Arc::new(person);
        known.push(Arc::clone(&person));
        person
    }
}
