//! Passwords: argon2id, off the cores, a bounded number at a time.
//!
//! One verification costs 19 MiB and tens of milliseconds on purpose. So that a crowd that signs in can exhaust neither
//! memory nor CPU, [`Passwords`] has few threads of its own and lets only a bounded number wait. Each thread keeps its
//! 19 MiB once it had work: allocated anew for every hash, they leave holes that add up to hundreds.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::oneshot;

use super::posts::Refused;

/// Characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Bytes of a password, at most.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Hashes computed at the same time, at most.
const PARALLEL_MAX: usize = 2;
/// Callers that wait for their turn, at most; more are told to come again.
const WAITING_MAX: usize = 500;

/// Checks a password that somebody chose.
pub fn check(password: &str) -> Result<(), Refused> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(Refused("A password has at least 8 characters."));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Refused("A password has at most 1,024 bytes."));
    }
    Ok(())
}

/// More callers wait for a password hash than are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowded;

/// Hashes and verifies passwords. Cheap to clone.
#[derive(Clone)]
pub struct Passwords {
    inner: Arc<Inner>,
}

struct Inner {
    argon2: Argon2<'static>,
    /// To the threads that do the work. They end when this is dropped.
    jobs: mpsc::Sender<Job>,
    waiting: AtomicUsize,
    /// Verified against when there is no such person, so that both answers take the same work.
    nobody: String,
}

/// One hash to be computed.
type Job = Box<dyn FnOnce(&mut Memory) + Send>;

/// What a thread computes in; as large as the costliest hash that it computed.
type Memory = Vec<Block>;

impl Passwords {
    /// With the cost that OWASP's Password Storage Cheat Sheet gives for argon2id: 19 MiB, 2 passes, 1 lane.
    pub fn new() -> Self {
        Self::with_params(Params::default())
    }

    /// With next to no cost: for tests that make many people. Never for real passwords.
    pub fn cheap() -> Self {
        Self::with_params(Params::new(8, 1, 1, None).unwrap_or_default())
    }

    fn with_params(params: Params) -> Self {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobody = hash_now(&argon2, &super::secrets::random_secret(), &mut Memory::new());
        Self {
            inner: Arc::new(Inner {
                argon2,
                jobs: workers(),
                waiting: AtomicUsize::new(0),
                nobody,
            }),
        }
    }

    /// The hash of a password, as PHC text.
    pub async fn hash(&self, password: String) -> Result<String, Crowded> {
        self.run(move |inner, memory| hash_now(&inner.argon2, &password, memory))
            .await
    }

    /// Whether `password` is the one that `stored` is the hash of. `None` (no such person) takes as long and is false.
    pub async fn verify(&self, stored: Option<String>, password: String) -> Result<bool, Crowded> {
        self.run(move |inner, memory| {
            let known = stored.is_some();
            // A password that nobody can have is still worked on, but not at the sender's length.
            let fits = password.len() <= PASSWORD_BYTES_MAX;
            let password = if fits { password.as_bytes() } else { b"too long" };
            let text = stored.as_deref().unwrap_or(&inner.nobody);
            let matches = is_match(text, password, memory).unwrap_or(false);
            known & fits & matches
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner, &mut Memory) -> T + Send + 'static,
    ) -> Result<T, Crowded> {
        let waiting = Waiting::enter(self.inner.clone()).ok_or(Crowded)?;
        let (done, result) = oneshot::channel();
        let job: Job = Box::new(move |memory| {
            // The place goes with the work: a caller that gives up does not stop it, so it must not free it either.
            let result = work(&waiting.0, memory);
            drop(waiting);
            // Nobody waits any more when the caller gave up.
            drop(done.send(result));
        });
        self.inner.jobs.send(job).map_err(|_| Crowded)?;
        result.await.map_err(|_| Crowded)
    }
}

/// Starts the threads that compute hashes.
fn workers() -> mpsc::Sender<Job> {
    let (jobs, queue) = mpsc::channel::<Job>();
    let queue = Arc::new(Mutex::new(queue));
    for at in 0..PARALLEL_MAX {
        let queue = queue.clone();
        let work = move || {
            let mut memory = Memory::new();
            loop {
                let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
                match job {
                    Ok(job) => job(&mut memory),
                    Err(mpsc::RecvError) => return,
                }
            }
        };
        std::thread::Builder::new()
            .name(format!("feed-password-{at}"))
            .spawn(work)
            .expect("a thread for passwords");
    }
    jobs
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

/// One place among those that wait or are at work; given back on drop, also when the caller gave up.
struct Waiting(Arc<Inner>);

impl Waiting {
    fn enter(inner: Arc<Inner>) -> Option<Self> {
        let others = inner.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(inner);
        (others < WAITING_MAX).then_some(place)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn hash_now(argon2: &Argon2<'_>, password: &str, memory: &mut Memory) -> String {
    // Fails only for parameters or lengths that are out of range; ours are constants.
    new_hash(argon2, password.as_bytes(), memory).expect("argon2 with constant parameters")
}

fn new_hash(argon2: &Argon2<'_>, password: &[u8], memory: &mut Memory) -> Option<String> {
    let salt = Salt::generate();
    let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(argon2, password, &salt, &mut out, memory)?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).ok()?,
        salt: Some(salt),
        hash: Some(Output::new(&out).ok()?),
    };
    Some(hash.to_string())
}

/// Whether `text` is the hash of `password`, with the cost that `text` names. `None`: `text` is none of ours.
fn is_match(text: &str, password: &[u8], memory: &mut Memory) -> Option<bool> {
    let stored = PasswordHash::new(text).ok()?;
    let algorithm = Algorithm::try_from(stored.algorithm.as_str()).ok()?;
    let version = Version::try_from(stored.version?).ok()?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).ok()?);
    let expected = stored.hash?;
    let mut out = vec![0; expected.as_bytes().len()];
    compute(&argon2, password, &stored.salt?, &mut out, memory)?;
    // Compared in constant time.
    Some(Output::new(&out).ok()? == expected)
}

fn compute(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    out: &mut [u8],
    memory: &mut Memory,
) -> Option<()> {
    let blocks = argon2.params().block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    argon2
        .hash_password_into_with_memory(password, salt, out, &mut memory[..blocks])
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_limits_at_and_past() {
        assert!(check("12345678").is_ok());
        assert!(check("1234567").is_err());
        assert!(check("éééééééé").is_ok());
        assert!(check(&"x".repeat(1_024)).is_ok());
        assert!(check(&"x".repeat(1_025)).is_err());
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_person_is_right() {
        let passwords = Passwords::cheap();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$"));
        assert!(
            passwords
                .verify(Some(stored.clone()), "correct horse".into())
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(Some(stored), "correct hors".into())
                .await
                .unwrap()
        );
        assert!(!passwords.verify(None, "correct horse".into()).await.unwrap());
        assert!(
            !passwords
                .verify(Some("rubbish".into()), "correct horse".into())
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn hashes_that_the_library_made_are_verified_and_ours_by_the_library() {
        use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
        let passwords = Passwords::cheap();
        let library = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(16, 2, 1, None).unwrap(),
        );
        let theirs = library.hash_password(b"correct horse").unwrap().to_string();
        assert!(
            passwords
                .verify(Some(theirs.clone()), "correct horse".into())
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .verify(Some(theirs), "wrong horse".into())
                .await
                .unwrap()
        );
        let ours = passwords.hash("correct horse".into()).await.unwrap();
        library.verify_password(b"correct horse", ours.as_str()).unwrap();
    }

    #[tokio::test]
    async fn a_crowd_is_turned_away() {
        let passwords = Passwords::cheap();
        let places: Vec<_> = (0..WAITING_MAX)
            .map(|_| Waiting::enter(passwords.inner.clone()).unwrap())
            .collect();
        assert_eq!(passwords.verify(None, "x".into()).await, Err(Crowded));
        drop(places);
        assert_eq!(passwords.verify(None, "x".into()).await, Ok(false));
    }
}
