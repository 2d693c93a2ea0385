//! One list of promises, kept by every place where blobs can stand.
//!
//! Each case is a plain async function over a backend; each backend runs every case, so that none can be left out. A
//! folder and a directory served as S3 always run; Azurite and Garage do where the environment says where they are
//! (`ACERVO_TEST_AZURITE`: a folder with the npm package; `ACERVO_TEST_GARAGE`: a binary; `ACERVO_TEST_S3`: the address
//! of a running server, with which `tests/garage-three` runs them).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests stop where something is wrong, as tests do"
)]

mod backend;
mod cases;
mod contents;
mod crash;
mod link;
mod opening;
mod s3_server;
mod servers;

use std::pin::Pin;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use crate::backend::{Backend, Kind};

/// What a store promises, shown on one backend.
type Case = fn(&Backend) -> Pin<Box<dyn Future<Output = ()> + '_>>;

/// Names the functions of a list.
macro_rules! list {
    ($($module:ident :: $name:ident),* $(,)?) => {
        [$((stringify!($name), (|backend| Box::pin($module::$name(backend))) as Case)),*]
    };
}

fn main() -> ExitCode {
    let every = list![
        cases::what_went_in_comes_out_whole_and_by_range,
        cases::contents_of_any_length_around_a_part_come_out_as_they_went_in,
        cases::a_content_of_several_parts_leaves_nothing_but_the_blob,
        cases::a_content_known_by_its_git_id_is_stored_under_its_sha256,
        cases::what_is_missing_or_of_another_size_is_told_before_a_byte_is_read,
        cases::blobs_are_counted_with_their_bytes,
        cases::one_content_from_two_processes_is_stored_once,
        cases::half_a_blob_is_written_over,
        cases::a_transfer_goes_on_in_another_process,
        cases::a_transfer_that_nobody_goes_on_with_is_swept,
        cases::an_upload_that_the_store_lost_is_sent_again,
        cases::wrong_bytes_are_never_readable,
    ];
    let of_buckets = list![
        opening::what_the_store_honours_is_found_out,
        opening::a_bucket_that_is_not_there_is_refused_with_what_to_do,
        opening::wrong_credentials_are_refused_with_what_to_do,
        opening::a_store_that_is_not_up_yet_is_waited_for,
        opening::a_store_that_went_away_is_told_as_such,
        opening::a_read_that_breaks_goes_on_with_the_next_byte,
        opening::a_prefix_keeps_two_stores_in_one_bucket_apart,
        crash::a_row_never_points_at_bytes_that_are_not_there,
    ];
    let mut trials = Vec::new();
    for kind in Kind::available() {
        let more: &[(&str, Case)] = if kind == Kind::Folder { &[] } else { &of_buckets };
        for (name, case) in every.iter().chain(more) {
            let case = *case;
            trials.push(Trial::test(format!("{}::{name}", kind.word()), move || {
                run(kind, case);
                Ok(())
            }));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn run(kind: Kind, case: Case) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let backend = Backend::start(kind).await;
        case(&backend).await;
    });
}
