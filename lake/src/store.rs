//! Folders and object stores: where captures lie and where a lake is.
//!
//! A place is a URL, `file:///…` or `s3://bucket/…`; a path without a scheme is a local one. Keys
//! and endpoints of stores come from the usual `AWS_*` variables of the environment, on every
//! machine from its own. Knows nothing of what the objects hold.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read};
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::object_store::{ObjectStoreRegistry, ObjectStoreUrl};
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutPayload};
use tokio::runtime::Handle;
use url::Url;

use crate::fault::{Fault, chain};

/// Bytes asked of a store at a time.
const READ_BYTES: u64 = 8 << 20;

/// A folder, or a prefix in an object store.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    url: Url,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
}

impl Place {
    /// The place that the user names: a path or a URL.
    ///
    /// # Errors
    ///
    /// When it is no place that can be reached.
    pub(crate) fn of(name: &str) -> Result<Self, Fault> {
        Self::at(url_of(name)?)
    }

    /// The place with that URL.
    ///
    /// # Errors
    ///
    /// When it is no place that can be reached.
    pub(crate) fn at(url: Url) -> Result<Self, Fault> {
        let store = store(&url)?;
        let prefix = path_of(&url)?;
        Ok(Self { url, store, prefix })
    }

    /// The URL, as it is told to other machines.
    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The store behind it, as DataFusion names it.
    ///
    /// # Errors
    ///
    /// Never for a place that was made.
    pub(crate) fn store_url(&self) -> DfResult<ObjectStoreUrl> {
        ObjectStoreUrl::parse(&self.url[..url::Position::BeforePath])
    }

    /// The store behind it.
    pub(crate) fn store(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Where an object of that name lies in the store.
    pub(crate) fn path(&self, name: &str) -> Path {
        name.split('/').filter(|part| !part.is_empty()).fold(self.prefix.clone(), Path::join)
    }

    /// The bytes of an object; nothing where there is none.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Bytes>, Fault> {
        let failed = |error| Fault::store(format!("read {name:?} of {:?}", self.url()), &error);
        match self.store.get(&self.path(name)).await {
            Ok(found) => found.bytes().await.map(Some).map_err(failed),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The bytes of an object that must be there.
    ///
    /// # Errors
    ///
    /// When it is not, or the store fails.
    pub(crate) async fn read(&self, name: &str) -> Result<Bytes, Fault> {
        self.find(name).await?.ok_or_else(|| Fault::Lake {
            lake: self.url().to_owned(),
            problem: format!("the object {name:?} is missing"),
        })
    }

    /// Writes an object as a whole: nobody ever sees a part of it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub(crate) async fn write(&self, name: &str, bytes: Vec<u8>) -> Result<(), Fault> {
        let written = self.store.put(&self.path(name), PutPayload::from(bytes)).await;
        written
            .map(drop)
            .map_err(|error| Fault::store(format!("write {name:?} to {:?}", self.url()), &error))
    }
}

/// The URL of what the user names.
///
/// # Errors
///
/// When the path cannot be made absolute, or the scheme is none of ours.
pub(crate) fn url_of(name: &str) -> Result<Url, Fault> {
    if !name.contains("://") {
        let path = std::path::absolute(name).unwrap_or_else(|_| PathBuf::from(name));
        return Url::from_file_path(&path).map_err(|()| {
            Fault::usage(format!("could not use the path {name:?}"), "give an absolute path")
        });
    }
    let wrong = || {
        let hint = "a place is a path, `file:///…` or `s3://bucket/…`";
        Fault::usage(format!("could not use {name:?} as a place"), hint)
    };
    let url = Url::parse(name).map_err(|_| wrong())?;
    match url.scheme() {
        "file" => Ok(url),
        "s3" | "s3a" if url.has_host() => Ok(url),
        _ => Err(wrong()),
    }
}

/// The file behind a URL, if it is a local one.
pub(crate) fn file_of(url: &Url) -> Option<PathBuf> {
    match url.scheme() {
        "file" => url.to_file_path().ok(),
        _ => None,
    }
}

/// Where the URL points to in its store.
///
/// # Errors
///
/// When it is no path of a store.
pub(crate) fn path_of(url: &Url) -> Result<Path, Fault> {
    let wrong = || Fault::usage(format!("could not use the path of {:?}", url.as_str()), "");
    match file_of(url) {
        Some(file) => absolute(&file).ok_or_else(wrong),
        None => Path::from_url_path(url.path()).map_err(|_| wrong()),
    }
}

fn absolute(file: &FilePath) -> Option<Path> {
    Path::from_absolute_path(file).ok()
}

/// The store behind a URL; the same one for the same bucket.
///
/// # Errors
///
/// When the environment does not tell enough to reach it.
pub(crate) fn store(url: &Url) -> Result<Arc<dyn ObjectStore>, Fault> {
    static STORES: LazyLock<Mutex<HashMap<String, Arc<dyn ObjectStore>>>> =
        LazyLock::new(Mutex::default);
    let key = url[..url::Position::BeforePath].to_owned();
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = stores.get(&key) {
        return Ok(Arc::clone(known));
    }
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        "file" => Arc::new(LocalFileSystem::new()),
        _ => Arc::new(s3(url)?),
    };
    stores.insert(key, Arc::clone(&store));
    Ok(store)
}

fn s3(url: &Url) -> Result<object_store::aws::AmazonS3, Fault> {
    let bucket = url.host_str().unwrap_or_default();
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket);
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
    let endpoint = endpoint.iter().find_map(|name| std::env::var(name).ok());
    if let Some(endpoint) = endpoint {
        // Whoever names an endpoint without TLS means it: a store of his own, on his network.
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    builder.build().map_err(|error| {
        let problem = format!("could not reach the store {:?}: {}", url.as_str(), chain(&error));
        Fault::usage(
            problem,
            "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION, and \
                               AWS_ENDPOINT_URL where it is not Amazon's",
        )
    })
}

/// Finds stores for DataFusion, on clients and on executors.
#[derive(Debug)]
pub(crate) struct Stores;

impl ObjectStoreRegistry for Stores {
    fn register_store(
        &self,
        _url: &Url,
        _store: Arc<dyn ObjectStore>,
    ) -> Option<Arc<dyn ObjectStore>> {
        None
    }

    fn get_store(&self, url: &Url) -> DfResult<Arc<dyn ObjectStore>> {
        store(url).map_err(|fault| DataFusionError::Execution(fault.to_string()))
    }
}

/// Reads an object from its beginning to its end, for those who know nothing of stores. Must not be
/// used on a thread that drives tasks.
#[derive(Debug)]
pub(crate) struct Remote {
    handle: Handle,
    store: Arc<dyn ObjectStore>,
    path: Path,
    offset: u64,
    size: u64,
    ahead: Bytes,
}

impl Remote {
    /// Begins to read the object, which has so many bytes.
    pub(crate) fn new(handle: Handle, store: Arc<dyn ObjectStore>, path: Path, size: u64) -> Self {
        Self { handle, store, path, offset: 0, size, ahead: Bytes::new() }
    }
}

impl Read for Remote {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.ahead.is_empty() && self.offset < self.size {
            let end = self.size.min(self.offset + READ_BYTES);
            let range = self.offset..end;
            let got = self.handle.block_on(self.store.get_range(&self.path, range));
            self.ahead = got.map_err(|error| io::Error::other(chain(&error)))?;
            self.offset = end;
        }
        let length = buffer.len().min(self.ahead.len());
        let part = self.ahead.split_to(length);
        if let Some(room) = buffer.get_mut(..length) {
            room.copy_from_slice(&part);
        }
        Ok(length)
    }
}

/// A name that nobody else has: the hexadecimal digits of 128 random bits.
pub(crate) fn random_name() -> String {
    // Each hasher has keys of its own, drawn at random.
    let bits = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", bits(), bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_paths_and_urls() {
        assert_eq!(url_of("/var/lake").expect("a path").as_str(), "file:///var/lake");
        assert_eq!(url_of("s3://bucket/a/b").expect("a URL").host_str(), Some("bucket"));
        for wrong in ["http://example.org/lake", "s3:///nobody", "gopher://x/"] {
            assert!(matches!(url_of(wrong), Err(Fault::Usage(..))), "{wrong}");
        }
    }

    #[test]
    fn a_remote_object_is_read_to_its_end() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let store: Arc<dyn ObjectStore> = Arc::new(object_store::memory::InMemory::new());
        let path = Path::from("a");
        let bytes: Vec<u8> = (0..20_000_000_u32).map(|number| number as u8).collect();
        let put = store.put(&path, PutPayload::from(bytes.clone()));
        runtime.block_on(put).expect("written");
        let size = bytes.len() as u64;
        let mut remote = Remote::new(runtime.handle().clone(), store, path, size);
        let mut read = Vec::new();
        remote.read_to_end(&mut read).expect("read");
        assert!(read == bytes);
    }

    #[test]
    fn names_are_different() {
        assert_ne!(random_name(), random_name());
    }
}
