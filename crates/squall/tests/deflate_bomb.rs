//! What a bomb costs in memory, in a process of its own: nothing else may be measured with it.

#![cfg(feature = "compression")]

use std::io::Write;

use squall::decompression::Decompression;
use squall::testing::serve;
use squall::uploads::{Upload, UploadError, UploadLimits};
use squall::web::routing::post;
use squall::web::{Bytes, Extension, Router};

const MIB: usize = 1024 * 1024;

/// The most memory that this process had since [`forget_peak`], in bytes.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn forget_peak() -> usize {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    peak_bytes()
}

/// So many mebibytes of zeros in each coding. Made with little memory: what was freed here could be taken again
/// without being seen.
fn bombs(mib: usize) -> [(&'static str, Vec<u8>); 3] {
    let zeros = vec![0; 64 * 1024];
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let mut br = brotli::CompressorWriter::new(Vec::new(), 4096, 2, 16);
    for _ in 0..mib * 16 {
        gzip.write_all(&zeros).unwrap();
        br.write_all(&zeros).unwrap();
    }
    // RFC 8878, section 3.1.1: the magic number, a window of 8 MiB, and blocks that are one byte 128 Ki times.
    let mut zstd = b"\x28\xb5\x2f\xfd\x00\x68".to_vec();
    for block in 1..=mib * 8 {
        let is_last = u32::from(block == mib * 8);
        let header = is_last | 1 << 1 | (128 * 1024) << 3;
        zstd.extend_from_slice(&header.to_le_bytes()[..3]);
        zstd.push(0);
    }
    [
        ("gzip", gzip.finish().unwrap()),
        ("br", br.into_inner()),
        ("zstd", zstd),
    ]
}

#[test]
fn deflate_bomb_costs_no_memory() {
    const BOMB_MIB: usize = 64;
    let count = async |mut upload: Upload| {
        let mut bytes = 0;
        while let Some(data) = upload.chunk().await? {
            bytes += data.len();
        }
        Ok::<_, UploadError>(bytes.to_string())
    };
    let open = Decompression::new().bytes_max(u64::MAX).ratio_max(u64::MAX);
    let unlimited = UploadLimits {
        total_bytes_max: u64::MAX,
        ..UploadLimits::default()
    };
    let safe = post(async |body: Bytes| body.len().to_string());
    let safe = Router::new().route("/safe", safe).layer(Decompression::new());
    let opened = Router::new()
        .route("/open", post(count))
        .layer(Extension(unlimited))
        .layer(open);
    let server = serve(safe.merge(opened));
    let bombs = bombs(BOMB_MIB);
    let send = |path: &str, coding: &str, bomb: &[u8]| {
        let client = server.client();
        let request = client.post(path).body("text/plain", bomb);
        request.header("content-encoding", coding).send()
    };
    for (coding, bomb) in &bombs {
        assert!(bomb.len() < MIB, "{coding}: {} bytes", bomb.len());
        let before = forget_peak();
        send("/safe", coding, bomb).expect(413);
        let refused = peak_bytes() - before;
        assert!(
            refused < 16 * MIB,
            "{coding}: {refused} bytes for a bomb that is refused"
        );
        // Let through on purpose, it costs what the coding needs to look back, and no more.
        assert_eq!(
            send("/open", coding, bomb).expect(200).text(),
            (BOMB_MIB * MIB).to_string()
        );
        let taken = peak_bytes() - before;
        assert!(
            taken < 32 * MIB,
            "{coding}: {taken} bytes for a bomb that is let through"
        );
        eprintln!(
            "{coding}: {} bytes sent; refused at the cost of {} KiB, taken at {} KiB",
            bomb.len(),
            refused / 1024,
            taken / 1024
        );
    }
}
