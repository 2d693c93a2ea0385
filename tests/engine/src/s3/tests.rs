//! The server keeps objects as files, and lets nobody in without a signature.

use std::io::{Read, Write};
use std::net::TcpStream;

use tempfile::TempDir;

use crate::{S3Server, TestStorage};

fn raw(server: &S3Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_request_without_a_signature_is_refused() {
    let folder = TempDir::new().unwrap();
    let server = S3Server::start(folder.path());
    std::fs::write(server.objects().join("key"), "bytes").unwrap();
    let answer = raw(&server, "GET /acervo/key HTTP/1.1\r\nhost: s3\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(answer.contains("AccessDenied"), "{answer}");
}

#[test]
fn objects_are_files_and_the_server_ends_with_its_handle() {
    let folder = TempDir::new().unwrap();
    let storage = TestStorage::of(S3Server::start(folder.path()));
    let path = storage.object_path("blobs/one");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, "bytes").unwrap();
    assert_eq!(storage.keys(), ["blobs/one"]);
    let server = storage.server().unwrap().address();
    let mut open = TcpStream::connect(server).unwrap();
    drop(storage);
    assert!(TcpStream::connect(server).is_err());
    assert_eq!(open.read(&mut [0]).unwrap_or(0), 0, "open connections have ended");
}

#[test]
fn a_server_that_was_stopped_comes_back_where_it_was_with_what_it_had() {
    let folder = TempDir::new().unwrap();
    let server = S3Server::start(folder.path());
    let (address, path) = (server.address(), server.objects().join("key"));
    std::fs::write(&path, "bytes").unwrap();
    let mut open = TcpStream::connect(address).unwrap();
    server.stop();
    assert!(TcpStream::connect(address).is_err());
    assert_eq!(open.read(&mut [0]).unwrap_or(0), 0, "open connections have ended");

    server.start_again();

    let answer = raw(&server, "GET /acervo/key HTTP/1.1\r\nhost: s3\r\nconnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert_eq!((server.address(), std::fs::read(&path).unwrap()), (address, b"bytes".to_vec()));
}
