//! Which of several upstreams a request goes to, as a pure function of what is known of each.
//!
//! Every upstream has a *pass*, a number that grows with each request it gets, by a *stride* that is the smaller the
//! larger its weight is. Whoever has the smallest pass is next: that spreads requests evenly and by weight, and needs one
//! atomic number per upstream and no lock (Waldspurger, "Stride Scheduling", 1995). Of least requests the same order
//! decides where several are equally busy.

use std::{cmp::Ordering, num::NonZeroU32};

use crate::config::Balance;

/// An upstream that could take a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its place in its set.
    pub index: usize,
    /// Requests under way.
    pub in_flight: u32,
    /// Its turn: the smallest is next.
    pub pass: u64,
    /// Its weight, less what it is not fit for yet.
    pub weight: u64,
}

/// The upstream that takes the next request; `None` where there is none.
pub fn choose(balance: Balance, candidates: impl Iterator<Item = Candidate>) -> Option<Candidate> {
    candidates.min_by(|a, b| {
        let busy = match balance {
            Balance::RoundRobin => Ordering::Equal,
            // a.in_flight / a.weight and b.in_flight / b.weight, without the fractions.
            Balance::LeastRequests | Balance::Sticky => {
                let busy = |one: &Candidate, other: &Candidate| u64::from(one.in_flight) * other.weight;
                busy(a, b).cmp(&busy(b, a))
            }
        };
        busy.then(a.pass.cmp(&b.pass)).then(a.index.cmp(&b.index))
    })
}

/// The largest common multiple of weights that strides are made of. Where it is larger, strides are rounded.
const MOST: u64 = 1 << 20;

/// How far each upstream's pass moves with a request. Whole numbers for weights that people write, so that shares are
/// exact; even ones, since an upstream begins with half a stride, which mixes heavy and light ones.
pub fn strides(weights: impl Iterator<Item = NonZeroU32> + Clone) -> Vec<u64> {
    let common = weights
        .clone()
        .map(NonZeroU32::get)
        .try_fold(1, |common, weight| {
            Some(least_common_multiple(common, u64::from(weight))).filter(|common| *common <= MOST)
        });
    let common = common.unwrap_or(MOST);
    weights
        .map(|weight| 2 * (common / u64::from(weight.get())))
        .collect()
}

fn least_common_multiple(a: u64, b: u64) -> u64 {
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    a / divisor * b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(weights: &[u32]) -> impl Iterator<Item = NonZeroU32> + Clone {
        weights.iter().map(|weight| NonZeroU32::new(*weight).unwrap())
    }

    /// The first letters of the upstreams that get the next requests, none of which takes any time.
    fn order(balance: Balance, sizes: &[u32], count: usize) -> String {
        let strides = strides(weights(sizes));
        let mut passes: Vec<u64> = strides.iter().map(|stride| stride / 2).collect();
        let mut next = || {
            let candidates = sizes.iter().enumerate().map(|(index, weight)| Candidate {
                index,
                in_flight: 0,
                pass: passes[index],
                weight: u64::from(*weight),
            });
            let chosen = choose(balance, candidates).unwrap();
            passes[chosen.index] += strides[chosen.index];
            char::from(b'a' + u8::try_from(chosen.index).unwrap())
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn requests_go_round_by_weight_and_well_mixed() {
        for (weights, order_of_two_rounds) in [
            (&[1][..], "aa"),
            (&[1, 1], "abab"),
            (&[1, 1, 1], "abcabc"),
            (&[1, 3], "babbbabb"),
            (&[2, 1], "abaaba"),
            (&[5, 1, 1], "aaabcaaaaabcaa"),
            (&[10, 10], "abab"),
        ] {
            for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::Sticky] {
                let order = order(balance, weights, order_of_two_rounds.len());
                assert_eq!(order, order_of_two_rounds, "{weights:?} {balance:?}");
            }
        }
    }

    #[test]
    fn shares_are_exact_however_uneven_the_weights_are() {
        for weights in [&[1, 100][..], &[7, 11, 13], &[3, 3, 9, 27, 50], &[100, 99]] {
            let sum: u32 = weights.iter().sum();
            let order = order(Balance::RoundRobin, weights, 3 * sum as usize);
            for (letter, weight) in ('a'..).zip(weights) {
                assert_eq!(
                    order.matches(letter).count(),
                    3 * *weight as usize,
                    "{weights:?} {letter}"
                );
            }
        }
        // Rounded, but near enough.
        let primes = [97, 89, 83, 79, 73, 71, 67];
        let order = order(Balance::RoundRobin, &primes, 5590);
        for (letter, weight) in ('a'..).zip(primes) {
            let count = order.matches(letter).count();
            assert!(count.abs_diff(10 * weight as usize) <= 1, "{letter} {count}");
        }
    }

    #[test]
    fn the_least_busy_by_weight_is_next() {
        for (busy, least, round) in [
            (&[(1, 1), (0, 1)][..], 1, 0),
            (&[(5, 1), (4, 1), (3, 1)], 2, 0),
            (&[(2, 1), (3, 2)], 1, 0),
            (&[(1, 1), (2, 2)], 0, 0),
            (&[(0, 1), (0, 100)], 0, 0),
            (&[(1, 10), (2, 100)], 1, 0),
            (&[(u32::MAX, 10_000), (u32::MAX - 1, 10_000)], 1, 0),
        ] {
            let candidates = || {
                busy.iter()
                    .enumerate()
                    .map(|(index, (in_flight, weight))| Candidate {
                        index,
                        in_flight: *in_flight,
                        pass: 1,
                        weight: *weight,
                    })
            };
            let index = |balance| choose(balance, candidates()).unwrap().index;
            assert_eq!(index(Balance::LeastRequests), least, "{busy:?}");
            assert_eq!(index(Balance::Sticky), least, "{busy:?}");
            assert_eq!(index(Balance::RoundRobin), round, "{busy:?}");
        }
        assert_eq!(choose(Balance::LeastRequests, std::iter::empty()), None);
    }
}
