//! A file that grows: the bound that no store passes.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use super::{Entry, Result, Store};

const HEAD_BYTES: usize = 16;

pub(super) struct File {
    file: fs::File,
    buffer: Vec<u8>,
}

impl File {
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let file = fs::File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(folder.join("log"))?;
        Ok(Self {
            file,
            buffer: Vec::new(),
        })
    }
}

impl Store for File {
    fn commit(&mut self, new: &[Entry], _old: &[u64]) -> Result<()> {
        self.buffer.clear();
        for (offset, topic, data) in new {
            self.buffer.extend_from_slice(&offset.to_le_bytes());
            self.buffer.extend_from_slice(&topic.to_le_bytes());
            self.buffer
                .extend_from_slice(&u32::try_from(data.len())?.to_le_bytes());
            self.buffer.extend_from_slice(data);
        }
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()?;
        Ok(())
    }

    fn scan(&mut self, each: &mut dyn FnMut(u64, &[u8])) -> Result<()> {
        use std::io::Seek as _;
        self.file.rewind()?;
        let mut all = Vec::new();
        self.file.read_to_end(&mut all)?;
        let mut rest = &all[..];
        while let Some((head, after)) = rest.split_at_checked(HEAD_BYTES) {
            let offset = u64::from_le_bytes(head[..8].try_into()?);
            let bytes = u32::from_le_bytes(head[12..].try_into()?) as usize;
            each(offset, &after[..bytes]);
            rest = &after[bytes..];
        }
        Ok(())
    }
}
