//! What a table of a million sessions costs: memory, look-ups with their renewal, and what nobody may feel of the sweeper.
//!
//! `cargo bench --bench sessions`; `-- --test` does the same with a few sessions, to see that it runs. Bytes are the
//! difference in resident memory (`VmRSS`), without the identities, which a person's sessions share.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench that meets what it did not expect is to fail, and prints its figures"
)]

use std::{
    fs,
    hint::black_box,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use portcullis::{
    clock::Timestamp,
    identity::{Identity, UserName},
    session::{
        Device, SessionStore, file::FileStore, id::SessionKey, lifetime::Lifetime, memory::MemoryStore,
    },
    store::Store,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a browser of today calls itself.
const USER_AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36";

const LIFETIME: Lifetime = Lifetime {
    idle: Duration::from_secs(1800),
    absolute: Duration::from_secs(12 * 3600),
    remembered: false,
};

/// As the keeper does it.
const SWEEP_STEP: usize = 256;

const PER_USER: usize = 10;

fn main() {
    let is_test = std::env::args().any(|argument| argument == "--test");
    let count = if is_test { 2_000 } else { 1_000_000 };
    let people = people(count / PER_USER);
    let start = Timestamp::from_unix_seconds(1_800_000_000);

    let before = resident();
    let store = SessionStore::Memory(MemoryStore::new(PER_USER * 2));
    let mut keys = Vec::with_capacity(count);
    let mut sign_ins = histogram();
    for index in 0..count {
        let began = Instant::now();
        keys.push(sign_in(&store, &people[index % people.len()], start));
        record(&mut sign_ins, began);
    }
    let held = resident().saturating_sub(before) - (keys.capacity() * size_of::<SessionKey>()) as u64;
    println!("{count} sessions of {} people, in memory", people.len());
    println!("  each holds         {} bytes", held / count as u64);
    print("made", &sign_ins);

    for threads in [1, 2] {
        let each = look_up(&store, &keys, threads, start.after(Duration::from_secs(1)));
        println!("  found and renewed  {each:.0} ns each, {threads} threads");
    }

    let began = Instant::now();
    let ended = run(store.remove_where(|session| session.created() > start))
        .unwrap()
        .len();
    println!(
        "  condition over all {:?}, {ended} of them ended",
        began.elapsed()
    );

    // First the sweeper finds that all of them were used meanwhile, and then that all have ended at once.
    let end = start.after(LIFETIME.idle);
    sweep_beside_look_ups("while all are filed anew", &store, &keys, end);
    let end = end.after(LIFETIME.idle).after(Duration::from_secs(2));
    sweep_beside_look_ups("while all end at once", &store, &keys, end);
    assert!(store.is_empty());
    drop((store, keys));
    in_a_file(count, &people, start);
}

fn people(count: usize) -> Vec<Arc<Identity>> {
    let person = |index| {
        let name = UserName::parse(&format!("person{index}")).unwrap();
        Arc::new(Identity::new(name, None, None, vec!["staff".to_owned()], None))
    };
    (0..count.max(1)).map(person).collect()
}

fn sign_in(store: &SessionStore, person: &Arc<Identity>, now: Timestamp) -> SessionKey {
    let device = Device::new(USER_AGENT, IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    run(store.create(Arc::clone(person), device, LIFETIME, now))
        .unwrap()
        .token
        .key()
}

/// None of the table's calls ever waits, nor does a runtime of a single thread cost anything to speak of.
fn run<T>(future: impl Future<Output = T>) -> T {
    futures_util::FutureExt::now_or_never(future).expect("nothing to wait for")
}

/// Keys in no order: the next one of a generator that visits all of a power of two.
fn random(state: &mut u64) -> usize {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

fn look_up(store: &SessionStore, keys: &[SessionKey], threads: u64, now: Timestamp) -> f64 {
    let rounds = keys.len();
    let barrier = Barrier::new(threads as usize);
    let times = std::thread::scope(|scope| {
        let started: Vec<_> = (0..threads)
            .map(|thread| {
                let barrier = &barrier;
                scope.spawn(move || {
                    let mut state = thread + 1;
                    barrier.wait();
                    let began = Instant::now();
                    for _ in 0..rounds {
                        let key = &keys[random(&mut state) % keys.len()];
                        let session = run(store.find(black_box(key), now)).unwrap().unwrap();
                        session.renew(now);
                    }
                    began.elapsed()
                })
            })
            .collect();
        started
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .max()
            .unwrap()
    });
    times.as_nanos() as f64 / rounds as f64
}

fn sweep_beside_look_ups(what: &str, store: &SessionStore, keys: &[SessionKey], now: Timestamp) {
    let over = AtomicBool::new(false);
    let (steps, look_ups) = std::thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let (mut state, mut times) = (7, histogram());
            while !over.load(Ordering::Relaxed) {
                let key = &keys[random(&mut state) % keys.len()];
                let began = Instant::now();
                let _ = black_box(run(store.find(key, now)));
                record(&mut times, began);
            }
            times
        });
        let mut steps = histogram();
        loop {
            let began = Instant::now();
            let looked_at = store.sweep(now, SWEEP_STEP);
            record(&mut steps, began);
            if looked_at < SWEEP_STEP {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        (steps, looking.join().unwrap())
    });
    println!("  {what}");
    print("  found", &look_ups);
    print("  a step", &steps);
}

/// The same sessions in a file, and how long a start with it takes.
fn in_a_file(count: usize, people: &[Arc<Identity>], start: Timestamp) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.redb");
    // Many at once, as in a morning: each waits for the disk, and they share its writes.
    let threads = 128;
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    {
        let store = Arc::new(Store::open(&path).unwrap());
        let sessions = SessionStore::File(FileStore::open(Arc::clone(&store), PER_USER * 2).unwrap());
        let one = |index: usize| {
            let device = Device::new(USER_AGENT, IpAddr::V4(Ipv4Addr::LOCALHOST).into());
            sessions.create(Arc::clone(&people[index % people.len()]), device, LIFETIME, start)
        };
        runtime().block_on(async {
            let mut index = 0;
            while index < count {
                let some = (index..count.min(index + 64 * threads)).map(one);
                for made in futures_util::future::join_all(some).await {
                    made.unwrap();
                }
                index += 64 * threads;
            }
        });
    }
    let before = resident();
    let began = Instant::now();
    let store = Arc::new(Store::open(&path).unwrap());
    let sessions = FileStore::open(store, PER_USER * 2)
        .map(SessionStore::File)
        .unwrap();
    let took = began.elapsed();
    assert_eq!(sessions.len(), count);
    println!("in a file of {} MiB", fs::metadata(&path).unwrap().len() >> 20);
    println!("  a start takes      {took:?}");
    println!(
        "  each holds         {} bytes",
        resident().saturating_sub(before) / count as u64
    );
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap()
}

fn record(times: &mut Histogram<u64>, began: Instant) {
    times.saturating_record(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
}

fn print(what: &str, times: &Histogram<u64>) {
    println!(
        "  {what:<18} p50 {:?}, p99.9 {:?}, at most {:?}",
        Duration::from_nanos(times.value_at_quantile(0.5)),
        Duration::from_nanos(times.value_at_quantile(0.999)),
        Duration::from_nanos(times.max()),
    );
}

/// Resident memory, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
