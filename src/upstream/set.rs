//! The upstreams of a route, and the choice of one for each request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use ahash::AHashMap;

use super::{
    Upstream, Upstreams,
    balance::{Candidate, choose, strides},
    standing::{Standing, State},
    sticky::{Mark, MarkKey},
    tls::UpstreamTlsError,
};
use crate::{
    config::{Balance, HealthConfig, UpstreamTls, UpstreamUrl, UpstreamsConfig},
    session::NoRandomness,
};

/// One upstream, shared by all workers and by all routes that lead there and ask in the same way whether it is well.
#[derive(Debug)]
pub struct Target {
    /// Where it is, and how it is known to be the right one.
    pub upstream: Arc<Upstream>,
    /// How it is asked whether it is well, if it is.
    pub health: Option<HealthConfig>,
    /// Whether it works.
    pub standing: Standing,
    /// Requests under way, where somebody wants to know.
    in_flight: AtomicU32,
}

/// Makes the sets of all routes.
#[derive(Debug)]
pub struct Targets {
    key: MarkKey,
    epoch: Instant,
    upstreams: Upstreams,
    known: AHashMap<(Arc<Upstream>, Option<HealthConfig>), Arc<Target>>,
}

/// The upstreams of a route.
#[derive(Debug)]
pub struct UpstreamSet {
    members: Vec<Member>,
    balance: Balance,
    /// How many others a request is tried at.
    pub retries: u32,
    /// The largest pass that had its turn: nobody comes back with less and takes everything.
    turn: AtomicU64,
}

#[derive(Debug)]
struct Member {
    target: Arc<Target>,
    weight: u64,
    stride: u64,
    pass: AtomicU64,
    /// Where browsers are to come back.
    mark: Option<Mark>,
}

/// A request's place at an upstream, held until its answer is over.
#[derive(Debug)]
pub struct Place {
    target: Arc<Target>,
    index: usize,
    is_counted: bool,
}

impl Targets {
    /// Of a gateway that begins now.
    ///
    /// # Errors
    /// The system's random source failed.
    pub fn new(now: Instant) -> Result<Self, NoRandomness> {
        Ok(Self {
            key: MarkKey::generate()?,
            epoch: now,
            upstreams: Upstreams::default(),
            known: AHashMap::new(),
        })
    }

    /// The set of a route. `tls` is for those of its upstreams that speak it.
    ///
    /// # Errors
    /// A file of `tls` cannot be used.
    pub fn set(
        &mut self,
        config: &UpstreamsConfig,
        tls: &UpstreamTls,
    ) -> Result<UpstreamSet, UpstreamTlsError> {
        let strides = strides(config.targets.iter().map(|target| target.weight));
        let members = config.targets.iter().zip(strides).map(|(target, stride)| {
            Ok::<_, UpstreamTlsError>(Member {
                target: self.target(&target.url, tls, config.health.as_ref())?,
                weight: u64::from(target.weight.get()),
                stride,
                pass: AtomicU64::new(stride / 2),
                mark: (config.balance == Balance::Sticky).then(|| self.key.mark(&target.url.to_string())),
            })
        });
        Ok(UpstreamSet {
            members: members.collect::<Result<_, _>>()?,
            balance: config.balance,
            retries: config.retries,
            turn: AtomicU64::new(0),
        })
    }

    /// The targets of all sets that are asked whether they are well.
    pub fn into_watched(self) -> Vec<Arc<Target>> {
        let all = self.known.into_values();
        all.filter(|target| target.health.is_some()).collect()
    }

    fn target(
        &mut self,
        url: &UpstreamUrl,
        tls: &UpstreamTls,
        health: Option<&HealthConfig>,
    ) -> Result<Arc<Target>, UpstreamTlsError> {
        let upstream = match url.is_https() {
            true => self.upstreams.at(url, tls)?,
            // What it does not speak makes it no other.
            false => self.upstreams.at(url, &UpstreamTls::default())?,
        };
        let target = self.known.entry((Arc::clone(&upstream), health.cloned()));
        let new = || {
            Arc::new(Target {
                upstream,
                health: health.cloned(),
                standing: Standing::new(self.epoch),
                in_flight: AtomicU32::new(0),
            })
        };
        Ok(Arc::clone(target.or_insert_with(new)))
    }
}

impl Target {
    /// Its address.
    pub fn url(&self) -> &UpstreamUrl {
        self.upstream.url()
    }
}

impl UpstreamSet {
    /// A place for a request at an upstream where it has not been tried yet; `None` where there is none that could take
    /// it. `known` is where the browser was before.
    pub fn choose(&self, known: Option<usize>, tried: &[usize]) -> Option<Place> {
        // Where there is no choice, nothing is counted and no time is taken.
        if let [only] = self.members.as_slice() {
            let is_free = tried.is_empty() && only.target.standing.is_well();
            return is_free.then(|| Place::uncounted(&only.target));
        }
        self.choose_at(Instant::now(), known, tried)
    }

    fn choose_at(&self, now: Instant, known: Option<usize>, tried: &[usize]) -> Option<Place> {
        let states = || {
            let untried = self.members.iter().enumerate();
            untried
                .filter(|(index, _)| !tried.contains(index))
                .map(|(index, member)| (index, member, member.target.standing.state(now)))
        };
        let candidates = || {
            states().filter_map(|(index, member, state)| match state {
                State::In(share) => Some(self.candidate(index, member, share)),
                State::Out(_) | State::Down => None,
            })
        };
        let known = known.and_then(|known| candidates().find(|candidate| candidate.index == known));
        if let Some(chosen) = known.or_else(|| choose(self.balance, candidates())) {
            return self.take(chosen);
        }
        // Nobody is left but those that were left out. The next one to come back may be back already, and it is better
        // to find out than to refuse.
        let (index, member) = states()
            .filter_map(|(index, member, state)| match state {
                State::Out(until) => Some((until, index, member)),
                State::In(_) | State::Down => None,
            })
            .min_by_key(|(until, ..)| *until)
            .map(|(_, index, member)| (index, member))?;
        self.take(self.candidate(index, member, 100))
    }

    /// One of the upstreams, by its place in the set.
    pub fn target(&self, index: usize) -> Option<&Target> {
        self.members.get(index).map(|member| &*member.target)
    }

    /// The place in the set of this upstream.
    pub fn position(&self, upstream: &Upstream) -> Option<usize> {
        self.members
            .iter()
            .position(|member| *member.target.upstream == *upstream)
    }

    /// The upstream that a browser's cookie marks.
    pub fn marked_by(&self, cookie: &[u8]) -> Option<usize> {
        self.members
            .iter()
            .position(|member| member.mark.as_ref().is_some_and(|mark| mark.is_in(cookie)))
    }

    /// The cookie that brings a browser back to a place, made of the one it has; `None` where browsers need not come
    /// back.
    pub fn cookie_for(&self, place: &Place, earlier: &[u8]) -> Option<String> {
        let mark = self.members.get(place.index)?.mark.clone()?;
        let siblings: Vec<&Mark> = self
            .members
            .iter()
            .filter_map(|member| member.mark.as_ref())
            .collect();
        Some(mark.into_cookie(earlier, &siblings))
    }

    /// Whether browsers come back to the upstream they were sent to.
    pub fn is_sticky(&self) -> bool {
        self.balance == Balance::Sticky && self.members.len() > 1
    }

    /// When an upstream that is down may be known to be up: the shortest time between two questions.
    pub fn retry_after(&self) -> Duration {
        let intervals = self
            .members
            .iter()
            .filter_map(|member| member.target.health.as_ref());
        intervals.map(|health| health.interval).min().unwrap_or_default()
    }

    fn candidate(&self, index: usize, member: &Member, share: u64) -> Candidate {
        Candidate {
            index,
            in_flight: member.target.in_flight.load(Relaxed),
            pass: member.pass.load(Relaxed).max(self.turn.load(Relaxed)),
            weight: member.weight * share,
        }
    }

    fn take(&self, chosen: Candidate) -> Option<Place> {
        let member = self.members.get(chosen.index)?;
        self.turn.fetch_max(chosen.pass, Relaxed);
        member.pass.fetch_max(chosen.pass, Relaxed);
        // Who is fit for half of its share has its turn half as often.
        let stride = member.stride * member.weight * 100 / chosen.weight;
        member.pass.fetch_add(stride, Relaxed);
        Some(Place::counted(&member.target, chosen.index))
    }
}

impl Place {
    fn uncounted(target: &Arc<Target>) -> Self {
        Self {
            target: Arc::clone(target),
            index: 0,
            is_counted: false,
        }
    }

    fn counted(target: &Arc<Target>, index: usize) -> Self {
        target.in_flight.fetch_add(1, Relaxed);
        Self {
            target: Arc::clone(target),
            index,
            is_counted: true,
        }
    }

    /// Where it is.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Which of the set's upstreams that is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// Gives it up: the answer is over.
    pub fn leave(&mut self) {
        if std::mem::take(&mut self.is_counted) {
            self.target.in_flight.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests;
