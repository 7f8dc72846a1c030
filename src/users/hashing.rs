//! Computing hashes: on threads of their own at the lowest priority, in bounded memory, from a bounded queue.
//!
//! A sign-in costs as much as ten thousand ordinary requests. On the request threads, or on threads as
//! urgent as they are, a burst of sign-ins would starve everybody who is signed in already; without a
//! bound it would take all memory.

use std::{
    collections::VecDeque,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use argon2::Block;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::password::PasswordHash;
use crate::config::UsersConfig;

/// Sign-ins that may wait. At the default cost the last of them waits about three seconds; whoever comes after
/// that is better told so at once.
const QUEUE: usize = 128;

/// When somebody who was turned away should come back: the queue is empty again by then.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Memory of one thread at least, so that hashes made at a higher cost elsewhere can still be checked.
const MIN_SHARE: u64 = 64 * 1024 * 1024;

/// The lowest priority: whatever else the machine has to do comes first.
const NICE: i32 = 19;

/// The hashing threads.
#[derive(Debug)]
pub struct Hashing {
    shared: Arc<Shared>,
    share: u64,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    computed: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Debug)]
struct Job {
    password: SecretString,
    hash: PasswordHash,
    answer: oneshot::Sender<bool>,
}

/// Why a hash was not checked. Nobody is signed in then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HashingError {
    /// Too many others wait.
    #[error("too many sign-ins are waiting")]
    Busy {
        /// When to come back.
        retry_after: Duration,
    },
    /// A hash needs more memory than there is for one.
    #[error("the password hash needs more memory than users.password.hash_memory allows")]
    TooLarge,
    /// The computation failed: a defect.
    #[error("the password could not be checked")]
    Failed,
}

impl Hashing {
    /// Starts the threads: as many as half of the cores, but no more than have room in `hash_memory`.
    ///
    /// # Errors
    /// A thread could not be started.
    pub fn start(config: &UsersConfig) -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get) as u64;
        let need = MIN_SHARE.max(u64::from(config.argon2.memory_kib) * 1024);
        let threads = (config.hash_memory / need).clamp(1, (cores / 2).max(1));
        let hashing = Self {
            shared: Arc::default(),
            share: config.hash_memory / threads,
        };
        for number in 0..threads {
            let shared = Arc::clone(&hashing.shared);
            thread::Builder::new()
                .name(format!("hashing-{number}"))
                .spawn(move || compute(&shared))?;
        }
        Ok(hashing)
    }

    /// Memory that one hash may take, in bytes.
    pub fn share(&self) -> u64 {
        self.share
    }

    /// Whether a password is the one that was hashed.
    ///
    /// # Errors
    /// Too many wait, or the hash cannot be checked here.
    pub async fn verify(&self, password: SecretString, hash: PasswordHash) -> Result<bool, HashingError> {
        if hash.memory() > self.share {
            return Err(HashingError::TooLarge);
        }
        let (answer, answered) = oneshot::channel();
        {
            let mut queue = self.shared.lock();
            // Those whose client has gone make room.
            if queue.jobs.len() >= QUEUE {
                queue.jobs.retain(|job| !job.answer.is_closed());
            }
            if queue.jobs.len() >= QUEUE {
                return Err(HashingError::Busy {
                    retry_after: RETRY_AFTER,
                });
            }
            queue.jobs.push_back(Job {
                password,
                hash,
                answer,
            });
        }
        self.shared.work.notify_one();
        answered.await.map_err(|_| HashingError::Failed)
    }

    /// How many hashes were computed so far.
    pub fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }
}

impl Drop for Hashing {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next job; `None` when there will be none any more.
    fn next(&self, memory: &mut Vec<Block>) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            // The block is used again from one sign-in to the next, and given back in between bursts.
            *memory = Vec::new();
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A hashing thread's life.
fn compute(shared: &Shared) {
    // On Linux this is the thread's own priority, not the process's.
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "cannot lower the priority of a hashing thread");
    }
    let mut memory = Vec::new();
    while let Some(Job {
        password,
        hash,
        answer,
    }) = shared.next(&mut memory)
    {
        if answer.is_closed() {
            continue;
        }
        let verify = || hash.verify(password.expose_secret().as_bytes(), &mut memory);
        shared.computed.fetch_add(1, Ordering::Relaxed);
        match catch_unwind(AssertUnwindSafe(verify)) {
            // Whoever asked may have gone by now.
            Ok(matches) => drop(answer.send(matches)),
            // The answer is dropped, which says that it failed; the thread lives on for the others.
            Err(_) => {
                tracing::error!("checking a password hash panicked");
                memory = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Argon2Cost;

    fn config(memory_kib: u32, hash_memory: u64) -> UsersConfig {
        UsersConfig {
            file: "users.toml".into(),
            argon2: Argon2Cost {
                memory_kib,
                passes: 1,
                lanes: 1,
            },
            hash_memory,
        }
    }

    fn hash(cost: Argon2Cost) -> PasswordHash {
        PasswordHash::parse(&super::super::password::hash(b"secret", cost).unwrap()).unwrap()
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn right_and_wrong_passwords_are_told_apart() {
        let config = config(64, 1 << 30);
        let hashing = Hashing::start(&config).unwrap();
        let hash = hash(config.argon2);
        assert_eq!(run(hashing.verify("secret".into(), hash.clone())), Ok(true));
        assert_eq!(run(hashing.verify("Secret".into(), hash)), Ok(false));
        assert_eq!(hashing.computed(), 2);
    }

    #[test]
    fn a_hash_that_needs_more_than_its_share_is_not_computed() {
        let hashing = Hashing::start(&config(64, 8 * 1024 * 1024)).unwrap();
        let large = hash(Argon2Cost {
            memory_kib: 16 * 1024,
            passes: 1,
            lanes: 1,
        });
        assert_eq!(
            run(hashing.verify("secret".into(), large)),
            Err(HashingError::TooLarge)
        );
        assert_eq!(hashing.computed(), 0);
    }

    #[test]
    fn past_the_bound_sign_ins_are_turned_away_and_those_who_left_make_room() {
        // No threads, so that nothing leaves the queue.
        let hashing = Hashing {
            shared: Arc::default(),
            share: u64::MAX,
        };
        let hash = hash(Argon2Cost {
            memory_kib: 8,
            passes: 1,
            lanes: 1,
        });
        run(async {
            let mut waiting: Vec<_> = (0..QUEUE)
                .map(|_| Box::pin(hashing.verify("x".into(), hash.clone())))
                .collect();
            for future in &mut waiting {
                assert!(poll_once(future.as_mut()).await.is_none());
            }
            let busy = Err(HashingError::Busy {
                retry_after: RETRY_AFTER,
            });
            assert_eq!(hashing.verify("x".into(), hash.clone()).await, busy);
            waiting.pop();
            let mut next = Box::pin(hashing.verify("x".into(), hash.clone()));
            assert!(
                poll_once(next.as_mut()).await.is_none(),
                "it waits in the place of the one who left"
            );
        });
    }

    #[test]
    fn nobody_computes_for_a_client_that_has_gone() {
        let config = config(64, 1 << 30);
        let idle = Hashing {
            shared: Arc::default(),
            share: u64::MAX,
        };
        run(async {
            let mut gone = Box::pin(idle.verify("x".into(), hash(config.argon2)));
            assert!(poll_once(gone.as_mut()).await.is_none());
        });
        idle.shared.lock().closed = true;
        compute(&idle.shared);
        assert_eq!(idle.computed(), 0);
    }

    async fn poll_once<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
        std::future::poll_fn(|context| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => std::task::Poll::Ready(Some(value)),
            std::task::Poll::Pending => std::task::Poll::Ready(None),
        })
        .await
    }
}
