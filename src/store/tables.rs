//! All tables in memory, and how often something was taken back.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{Record, Table, records::Records};

/// Records in memory.
#[derive(Debug)]
pub struct Tables {
    tables: [Mutex<Records>; Table::ALL.len()],
    pub(super) taken_back: AtomicU64,
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            tables: Default::default(),
            taken_back: AtomicU64::new(1),
        }
    }
}

impl Tables {
    /// Puts a record in that another gateway has written.
    pub fn learn(&self, table: Table, record: Record) {
        {
            let mut records = self.table(table);
            // The later of two sign-outs counts, in whatever order they are told.
            let is_older = records
                .get(&record.key)
                .is_some_and(|known| known.value > record.value);
            if !is_older {
                records.put(record);
            }
        }
        self.note(table);
    }

    pub(super) fn table(&self, table: Table) -> MutexGuard<'_, Records> {
        let [refresh_tokens, revoked_tokens, signed_out, sessions] = &self.tables;
        let records = match table {
            Table::RefreshTokens => refresh_tokens,
            Table::RevokedTokens => revoked_tokens,
            Table::SignedOut => signed_out,
            Table::Sessions => sessions,
        };
        records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After the record is there: whoever sees the new generation finds it.
    pub(super) fn note(&self, table: Table) {
        if table.takes_back() {
            self.taken_back.fetch_add(1, Ordering::Release);
        }
    }
}
