//! The speed of page checks on one core, compared with a plain read and sum of the same memory.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ese::checksum::{NEW_CHECKSUM_FLAG, PageVerdict, seal_page, verify_page};
use std::hint::black_box;

/// More than the caches hold, like a backup's stream of fresh pages.
const SIZE: usize = 256 << 20;

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("checksum");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(SIZE as u64));
    group.bench_function("plain read", |bencher| {
        let memory = pages(8192, true);
        bencher.iter(|| {
            let (words, _) = black_box(&memory).as_chunks::<8>();
            words.iter().fold(0u64, |sum, word| {
                sum.wrapping_add(u64::from_le_bytes(*word))
            })
        });
    });
    for (page_size, new) in [
        (8192, false),
        (2048, true),
        (4096, true),
        (8192, true),
        (16384, true),
        (32768, true),
    ] {
        let kind = if new { "xor+ecc" } else { "legacy xor" };
        group.bench_function(
            format!("{kind}, {} KiB pages", page_size >> 10),
            |bencher| {
                let memory = pages(page_size, new);
                bencher.iter(|| {
                    (1..)
                        .zip(black_box(&memory).chunks(page_size))
                        .all(|(number, page)| verify_page(page, number) == PageVerdict::Sound)
                });
            },
        );
    }
    group.finish();
}

fn pages(page_size: usize, new: bool) -> Vec<u8> {
    let mut memory: Vec<u8> = (0..SIZE / 8)
        .flat_map(|index| {
            (index as u64)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_le_bytes()
        })
        .collect();
    for (number, page) in (1..).zip(memory.chunks_mut(page_size)) {
        let flags = if new { NEW_CHECKSUM_FLAG } else { 0 };
        page[36..40].copy_from_slice(&flags.to_le_bytes());
        seal_page(page, number);
    }
    memory
}

criterion_group!(benches, checksums);
criterion_main!(benches);
