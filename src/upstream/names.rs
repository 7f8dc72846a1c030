//! What addresses the names of upstreams have, as one worker last heard. Connections do not wait for a name server that
//! was asked a moment ago, and an upstream that moves is found again.

use std::{
    cell::RefCell,
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use ahash::AHashMap;
use tokio::net::lookup_host;

/// How long an answer is used without asking again.
const FRESH: Duration = Duration::from_secs(10);

/// How long it is used while the name is being asked for anew. What is older may belong to somebody else by now.
const USABLE: Duration = Duration::from_secs(60);

/// The names of one worker's upstreams.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: RefCell<AHashMap<String, Known>>,
}

#[derive(Debug)]
struct Known {
    /// In the order of the name server, with the port 0.
    addresses: Rc<[SocketAddr]>,
    since: Instant,
    is_asked_anew: bool,
    is_doubted: bool,
    /// Counts the connections, so that each begins with another address.
    turn: usize,
}

impl Names {
    /// The addresses of a host, in the order in which they are to be tried: beginning with another one each time, and
    /// from IPv4 to IPv6 and back.
    ///
    /// # Errors
    /// The name has no address, or no name server answers.
    pub(super) async fn addresses(self: &Rc<Self>, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        if let Some(addresses) = self.known(host, port, Instant::now()) {
            return Ok(addresses);
        }
        self.ask(host).await?;
        self.known(host, port, Instant::now())
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    }

    /// Nobody answers at a name's addresses: it may have moved, and the next connection asks anew. It does not wait for
    /// that, or an app that is down would have its name asked for as often as somebody wants something of it.
    pub(super) fn doubt(&self, host: &str) {
        if let Some(known) = self.known.borrow_mut().get_mut(host) {
            known.is_doubted = true;
        }
    }

    /// What is known of a name, if that can still be used. Asks anew on the side where it is not fresh any more.
    fn known(self: &Rc<Self>, host: &str, port: u16, now: Instant) -> Option<Vec<SocketAddr>> {
        let mut all = self.known.borrow_mut();
        let known = all.get_mut(host)?;
        let age = now.saturating_duration_since(known.since);
        if age >= USABLE {
            return None;
        }
        if (age >= FRESH || known.is_doubted) && !known.is_asked_anew {
            known.is_asked_anew = true;
            let (names, host) = (Rc::clone(self), host.to_owned());
            tokio::task::spawn_local(async move {
                if let Err(error) = names.ask(&host).await {
                    tracing::warn!(%host, %error, "the name of an upstream cannot be looked up");
                    // The next connection tries again.
                    if let Some(known) = names.known.borrow_mut().get_mut(&host) {
                        known.is_asked_anew = false;
                    }
                }
            });
        }
        known.turn = known.turn.wrapping_add(1);
        Some(in_turn(&known.addresses, known.turn, port))
    }

    async fn ask(&self, host: &str) -> io::Result<()> {
        let addresses: Rc<[SocketAddr]> = lookup_host((host, 0)).await?.collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        let mut known = self.known.borrow_mut();
        let turn = known.get(host).map_or(usize::MAX, |known| known.turn);
        let heard = Known {
            addresses,
            since: Instant::now(),
            is_asked_anew: false,
            is_doubted: false,
            turn,
        };
        known.insert(host.to_owned(), heard);
        Ok(())
    }
}

/// Addresses from a turn on, one family after the other as RFC 8305, section 4 has it: where a whole family leads
/// nowhere, the second attempt arrives. The family that the system prefers stays first.
fn in_turn(addresses: &[SocketAddr], turn: usize, port: u16) -> Vec<SocketAddr> {
    let preferred = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let family = |is_ipv6: bool| {
        let mut family: Vec<SocketAddr> = addresses
            .iter()
            .filter(|address| address.is_ipv6() == is_ipv6)
            .map(|address| {
                let mut address = *address;
                address.set_port(port);
                address
            })
            .collect();
        let middle = turn.checked_rem(family.len()).unwrap_or_default();
        family.rotate_left(middle);
        family
    };
    let (first, second) = (family(preferred), family(!preferred));
    let longest = first.len().max(second.len());
    (0..longest)
        .flat_map(|at| [first.get(at), second.get(at)])
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 0)
    }

    #[test]
    fn each_connection_begins_with_another_address_and_the_families_take_turns() {
        for (known, turn, tried) in [
            (&["10.0.0.1"][..], 0, &["10.0.0.1"][..]),
            (&["10.0.0.1"], 7, &["10.0.0.1"]),
            (
                &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
                0,
                &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
            ),
            (
                &["10.0.0.1", "10.0.0.2", "10.0.0.3"],
                4,
                &["10.0.0.2", "10.0.0.3", "10.0.0.1"],
            ),
            (
                &["::1", "::2", "10.0.0.1", "10.0.0.2"],
                0,
                &["::1", "10.0.0.1", "::2", "10.0.0.2"],
            ),
            (
                &["::1", "::2", "10.0.0.1", "10.0.0.2"],
                1,
                &["::2", "10.0.0.2", "::1", "10.0.0.1"],
            ),
            (
                &["10.0.0.1", "::1", "::2", "::3"],
                2,
                &["10.0.0.1", "::3", "::1", "::2"],
            ),
            (&[], 1, &[]),
        ] {
            let known: Vec<SocketAddr> = known.iter().map(|text| address(text)).collect();
            let tried: Vec<SocketAddr> = tried
                .iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 80))
                .collect();
            assert_eq!(in_turn(&known, turn, 80), tried, "{known:?} {turn}");
        }
    }

    fn in_a_worker(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(tokio::runtime::LocalOptions::default());
        runtime.unwrap().block_on(test);
    }

    #[test]
    fn a_name_is_asked_for_once_and_anew_when_what_is_known_is_old() {
        in_a_worker(async {
            let names = Rc::new(Names::default());
            // What no name server would say, so that it shows who was asked.
            let heard = |age: Duration| Known {
                addresses: [address("192.0.2.1")].into(),
                since: Instant::now().checked_sub(age).unwrap(),
                is_asked_anew: false,
                is_doubted: false,
                turn: 0,
            };
            let is_known = |addresses: &[SocketAddr]| addresses == ["192.0.2.1:80".parse().unwrap()];
            let tell = |age| {
                names
                    .known
                    .borrow_mut()
                    .insert("localhost".to_owned(), heard(age))
            };

            tell(FRESH / 2);
            assert!(is_known(&names.addresses("localhost", 80).await.unwrap()));
            assert!(!names.known.borrow()["localhost"].is_asked_anew);

            // Old, or nobody answers there: nobody waits, and whoever comes later knows better.
            for (age, is_doubted) in [(FRESH, false), (Duration::ZERO, true)] {
                tell(age);
                if is_doubted {
                    names.doubt("localhost");
                }
                assert!(is_known(&names.addresses("localhost", 80).await.unwrap()));
                while is_known(&names.addresses("localhost", 80).await.unwrap()) {
                    tokio::task::yield_now().await;
                }
            }

            // Too old: it is waited for.
            tell(USABLE);
            assert!(!is_known(&names.addresses("localhost", 80).await.unwrap()));
        });
    }

    #[test]
    fn what_cannot_be_looked_up_is_an_error_and_an_address_needs_no_look_up() {
        in_a_worker(async {
            let names = Rc::new(Names::default());
            assert!(names.addresses("nowhere.invalid", 80).await.is_err());
            for (host, address) in [("127.0.0.1", "127.0.0.1:80"), ("::1", "[::1]:80")] {
                assert_eq!(
                    names.addresses(host, 80).await.unwrap(),
                    [address.parse().unwrap()]
                );
            }
            assert!(names.known.borrow().is_empty());
        });
    }
}
