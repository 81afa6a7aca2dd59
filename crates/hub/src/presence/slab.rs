//! Records with small numbers.
//!
//! Why not one `Vec`: it moves everything when it grows, which for a million records holds the lock for too long.

/// Records of one chunk.
const CHUNK: usize = 1024;

/// Records by number; numbers are used again.
pub(super) struct Slab<T> {
    chunks: Vec<Vec<Option<T>>>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn add(&mut self, record: T) -> u32 {
        self.len += 1;
        if let Some(number) = self.free.pop() {
            *self.slot(number) = Some(record);
            return number;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let nth = self.chunks.len() - 1;
        let chunk = &mut self.chunks[nth];
        chunk.push(Some(record));
        u32::try_from(nth * CHUNK + chunk.len() - 1).expect("fewer than 2^32 records")
    }

    /// Takes a record out. All memory is given back with the last one.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let record = self.slot(number).take().expect("a number that is in use");
        self.len -= 1;
        if self.len == 0 {
            *self = Self::default();
        } else {
            self.free.push(number);
        }
        record
    }

    fn slot(&mut self, number: u32) -> &mut Option<T> {
        &mut self.chunks[number as usize / CHUNK][number as usize % CHUNK]
    }

    pub(super) fn get(&self, number: u32) -> &T {
        self.chunks[number as usize / CHUNK][number as usize % CHUNK]
            .as_ref()
            .expect("a number that is in use")
    }

    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        self.slot(number).as_mut().expect("a number that is in use")
    }
}
