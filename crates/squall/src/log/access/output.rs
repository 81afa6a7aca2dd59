//! Where lines of the access log go. A core never waits for a disk: a thread of its own writes.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::record::TARGET;

/// Lines that may wait to be written. What comes when so many wait is left out, and counted: the log then says how many.
pub const LINES_WAITING_MAX: usize = 16_384;

/// Bytes that are put together for one write.
const BATCH_BYTES: usize = 64 * 1024;

/// How often it is looked whether a file was moved away.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Where lines of the access log go. Clones go to the same place.
#[derive(Clone)]
pub struct Output {
    /// None: `tracing`.
    writer: Option<Arc<Writer>>,
}

impl Output {
    /// To wherever the program's log goes, at level info under the target `squall::access`.
    pub fn tracing() -> Self {
        Self { writer: None }
    }

    /// To standard output.
    pub fn stdout() -> Self {
        Self::writer(io::stdout())
    }

    /// To standard error.
    pub fn stderr() -> Self {
        Self::writer(io::stderr())
    }

    /// To the end of a file, which is made if it is not there, with mode 0640. When it is moved or deleted
    /// (`logrotate`), a new one is made within a second or so: no signal is needed, and no line is lost.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(path: impl Into<PathBuf>) -> io::Result<Self> {
        LogFile::open(path.into()).map(Self::writer)
    }

    /// To anything that can be written to, by a thread of its own. Whole lines come together in one write.
    pub fn writer(to: impl Write + Send + 'static) -> Self {
        Self {
            writer: Some(Arc::new(Writer::start(Box::new(to)))),
        }
    }

    pub(super) fn is_tracing(&self) -> bool {
        self.writer.is_none()
    }

    /// Whether anybody reads it.
    pub(super) fn is_wanted(&self) -> bool {
        self.writer.is_some() || tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    pub(super) fn write(&self, line: String) {
        if let Some(writer) = &self.writer {
            writer.send(line);
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_tracing() {
            "Output::tracing"
        } else {
            "Output::writer"
        })
    }
}

/// A thread that writes lines. Ends, when the last output is dropped, after all of them are written.
struct Writer {
    /// None while it is dropped.
    lines: Option<SyncSender<String>>,
    lost: Arc<AtomicU64>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    fn start(mut to: Box<dyn Write + Send>) -> Self {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let thread = std::thread::Builder::new()
            .name("squall-access".to_owned())
            .spawn({
                let lost = lost.clone();
                move || run(&waiting, &mut *to, &lost)
            });
        if let Err(error) = &thread {
            tracing::error!(%error, "the access log cannot be written: there is no thread for it");
        }
        Self {
            lines: Some(lines),
            lost,
            thread: Mutex::new(thread.ok()),
        }
    }

    fn send(&self, line: String) {
        let sent = self.lines.as_ref().map(|lines| lines.try_send(line));
        if let Some(Err(TrySendError::Full(_))) = sent {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.lines = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last handle may be dropped by the thread itself only if it panicked; then there is nothing to wait for.
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

fn run(lines: &Receiver<String>, to: &mut dyn Write, lost: &AtomicU64) {
    let mut failing = false;
    while let Ok(mut batch) = lines.recv() {
        while batch.len() < BATCH_BYTES
            && let Ok(line) = lines.try_recv()
        {
            batch.push_str(&line);
        }
        match to.write_all(batch.as_bytes()).and_then(|()| to.flush()) {
            Ok(()) => failing = false,
            // Once for each time that it begins to fail: a full disk is not told of line by line.
            Err(error) if !failing => {
                tracing::error!(%error, "the access log cannot be written; lines are lost until it can");
                failing = true;
            }
            Err(_) => {}
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(
                lost,
                "lines of the access log were lost: they came faster than they could be written"
            );
        }
    }
}

/// A file that is opened anew when it is not the one of its name any more.
struct LogFile {
    path: PathBuf,
    file: File,
    looked: Instant,
}

impl LogFile {
    fn open(path: PathBuf) -> io::Result<Self> {
        Ok(Self {
            file: append_to(&path)?,
            path,
            looked: Instant::now(),
        })
    }

    fn is_current(&self) -> bool {
        let named = std::fs::metadata(&self.path);
        let ours = self.file.metadata();
        matches!((named, ours), (Ok(named), Ok(ours)) if named.ino() == ours.ino() && named.dev() == ours.dev())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.looked.elapsed() >= LOOK_INTERVAL {
            self.looked = Instant::now();
            if !self.is_current() {
                // Until a new one can be made, the old one is better than none.
                if let Ok(file) = append_to(&self.path) {
                    self.file = file;
                }
            }
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place to write to that tells when it was written to, and can be held up.
    struct Gate {
        entered: SyncSender<()>,
        open: Receiver<()>,
        text: Arc<Mutex<String>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // The test may be over.
            let _ = self.entered.try_send(());
            let _ = self.open.recv();
            self.text.lock().unwrap().push_str(str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_slow_disk_loses_lines_past_the_limit_and_holds_nobody_up() {
        let (entered, is_writing) = sync_channel(1);
        let (let_go, open) = sync_channel(1);
        let text = Arc::new(Mutex::new(String::new()));
        let output = Output::writer(Gate {
            entered,
            open,
            text: text.clone(),
        });
        output.write("first\n".to_owned());
        is_writing.recv().unwrap();
        for _ in 0..LINES_WAITING_MAX + 1 {
            output.write("line\n".to_owned());
        }
        let lost = output.writer.as_ref().unwrap().lost.load(Ordering::Relaxed);
        assert_eq!(lost, 1);
        drop(let_go);
        drop(output);
        assert_eq!(
            text.lock().unwrap().lines().count(),
            LINES_WAITING_MAX + 1,
            "the others are all written"
        );
    }

    #[test]
    fn a_file_that_was_moved_is_made_anew() {
        let dir = std::env::temp_dir().join(format!("squall-access-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let (path, moved) = (dir.join("access.log"), dir.join("access.log.1"));
        let mut file = LogFile::open(path.clone()).unwrap();
        file.write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        file.write_all(b"two\n").unwrap();
        file.looked = Instant::now() - LOOK_INTERVAL;
        file.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
        assert_eq!(
            std::fs::metadata(&path).unwrap().mode() & 0o007,
            0,
            "not for everybody to read"
        );
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
