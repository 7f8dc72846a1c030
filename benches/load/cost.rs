//! What a program took of this machine, from proc(5).

use std::{fs, str::FromStr, time::Duration};

/// A program: a process and whatever it has started.
#[derive(Debug, Clone, Copy)]
pub struct Processes {
    /// The process that has started the others.
    pub root: u32,
}

/// CPU time since a program's start.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuTime {
    /// In its own code.
    pub user: Duration,
    /// In the kernel, on its behalf.
    pub system: Duration,
}

impl CpuTime {
    /// Both.
    pub fn total(self) -> Duration {
        self.user + self.system
    }

    /// What was taken since an earlier look.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

impl Processes {
    /// The program with this process.
    pub fn of(root: u32) -> Self {
        Self { root }
    }

    /// What all of its processes have taken so far; nothing once it has ended.
    ///
    /// The kernel's own sum is exact to the nanosecond; how it divides into user and system time is known by the
    /// tick, a hundredth of a second.
    pub fn cpu_time(self) -> Option<CpuTime> {
        let mut sum = CpuTime::default();
        for id in self.all() {
            let Some((user, system)) = ticks(id) else { continue };
            let exact = exact(id).unwrap_or(user + system);
            let share = match user + system {
                Duration::ZERO => 0.0,
                both => user.as_secs_f64() / both.as_secs_f64(),
            };
            let user = exact.mul_f64(share);
            sum.user += user;
            sum.system += exact.saturating_sub(user);
        }
        (sum.total() > Duration::ZERO).then_some(sum)
    }

    /// What all of its processes hold in memory, in bytes. What they share counts once for each.
    pub fn resident(self) -> Option<u64> {
        let resident = |id| {
            let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
            Some(1024 * field::<u64>(line, 0)?)
        };
        let all: Vec<u64> = self.all().into_iter().filter_map(resident).collect();
        (!all.is_empty()).then(|| all.iter().sum())
    }

    /// Those that there are now.
    fn all(self) -> Vec<u32> {
        let mut found = vec![self.root];
        let mut next = 0;
        while let Some(id) = found.get(next) {
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            found.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
            next += 1;
        }
        found
    }
}

/// User and system time by the tick.
fn ticks(id: u32) -> Option<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it may contain anything, brackets too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let second = rustix::param::clock_ticks_per_second();
    let time = |ticks: u64| Duration::from_nanos(ticks.saturating_mul(1_000_000_000 / second.max(1)));
    Some((time(field(after_name, 11)?), time(field(after_name, 12)?)))
}

/// The time of all threads by the nanosecond, where the kernel counts it.
fn exact(id: u32) -> Option<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{id}/task")).ok()?.flatten() {
        let schedule = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        sum += Duration::from_nanos(field(&schedule, 0)?);
    }
    (sum > Duration::ZERO).then_some(sum)
}

fn field<T: FromStr>(text: &str, index: usize) -> Option<T> {
    text.split_whitespace().nth(index)?.parse().ok()
}
