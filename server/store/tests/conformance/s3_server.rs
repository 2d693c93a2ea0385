//! A folder served as S3 in this process: signatures are checked, objects are files.

use std::path::Path;

use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

/// Serves `folder` on a listener until the handle is dropped. Buckets are folders in it.
pub(crate) fn serve(listener: TcpListener, folder: &Path, access_key: &str, secret_key: &str) -> AbortOnDropHandle<()> {
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder).unwrap());
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    let service = builder.build();
    AbortOnDropHandle::new(tokio::spawn(async move {
        // Dropped with the task: open connections end with the server.
        let mut connections = JoinSet::new();
        loop {
            let Ok((stream, _)) = listener.accept().await else { return };
            while connections.try_join_next().is_some() {}
            let served =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service.clone());
            connections.spawn(served);
        }
    }))
}
