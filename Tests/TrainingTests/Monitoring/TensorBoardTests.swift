import Foundation
import Testing

@testable import Training

@Suite struct TensorBoardTests {
  let folder = TemporaryFolder()

  /// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
  @Test func `Checksums are those of the standard`() {
    let vectors: [(bytes: [UInt8], crc: UInt32)] = [
      ([], 0), (Array("123456789".utf8), 0xe306_9283), (Array(repeating: 0, count: 32), 0x8a91_36aa),
      (Array(repeating: 0xff, count: 32), 0x62a8_ab43), (Array(0..<32), 0x46dd_794e),
      ((0..<32).reversed(), 0x113f_db5c),
    ]
    for (bytes, crc) in vectors {
      #expect(CRC32C.checksum(bytes) == crc)
      #expect(EventFile.checksum(bytes) == crc)
    }
  }

  @Test func `A frame is that of ATF record`() {
    // Written by the record writer of TensorBoard 2.21.
    #expect(
      TensorBoardEvent.frame(Array("abc".utf8))
        == [3, 0, 0, 0, 0, 0, 0, 0, 176, 153, 73, 14, 97, 98, 99, 110, 87, 241, 33])
  }

  private func file(_ log: TensorBoardLog) throws -> EventFile {
    try log.flush()
    return try EventFile(Array(try Data(contentsOf: URL(filePath: log.path))))
  }

  @Test func `What is written is read back`() throws {
    let log = try TensorBoardLog(folder: folder.folder, host: "node7", resumingAt: nil)
    try log.add([("step/loss", 0.1), ("step/damping", nil), ("step/seconds", 1e-3)], step: 1)
    try log.add([("step/loss", -.infinity), ("step/größe", .nan)], step: 1 << 40)
    let events = try file(log).events
    #expect(events.count == 3)
    #expect(events[0].version == "brain.Event:2" && events[0].step == 0)
    #expect(events[1].step == 1 && events[2].step == 1 << 40)
    #expect(events[1].values == ["step/loss": .scalar(0.1), "step/seconds": .scalar(1e-3)])
    #expect(events[2].values["step/loss"] == .scalar(-.infinity))
    #expect(try file(log).scalars("step/größe").map(\.value.isNaN) == [true])
    let now = Date().timeIntervalSince1970
    #expect(events.allSatisfy { abs($0.time - now) < 60 && $0.sessionStatus == nil })
  }

  @Test func `A histogram has the buckets between its extremes`() throws {
    var histogram = Histogram(edges: [0, 1, 2, 3, 4])
    for value in [1.0, 1.5, 1.5, 3.25] { histogram.add(value) }
    let log = try TensorBoardLog(folder: folder.folder, host: "a", resumingAt: nil)
    try log.add("batch/margin", histogram, step: 9)
    let read = try #require(try file(log).histograms("batch/margin").first)
    #expect(read.step == 9)
    #expect(
      read.value
        == EventFile.Histogram(
          minimum: 1, maximum: 3.25, count: 4, sum: 7.25, squaredSum: 1 + 4.5 + 3.25 * 3.25, limits: [2, 3, 3.25],
          counts: [3, 0, 1]))
  }

  @Test func `A resumed run starts a file after the others that drops what it repeats`() throws {
    let first = try TensorBoardLog(folder: folder.folder, host: "a", resumingAt: nil)
    let second = try TensorBoardLog(folder: folder.folder, host: "a", resumingAt: 41)
    #expect(second.path > first.path)
    let events = try file(second).events
    #expect(events.map(\.step) == [0, 42])
    #expect(events[1].sessionStatus == 1)
  }

  @Test func `Files follow each other even if the clock goes back`() {
    let names = ["events.out.tfevents.2000000000.a.7", "events.out.tfevents.0000000009.b.7", "config.yaml"]
    #expect(TensorBoardLog.seconds(after: names, now: 1_900_000_000) == 2_000_000_001)
    #expect(TensorBoardLog.seconds(after: names, now: 2_100_000_000) == 2_100_000_000)
    #expect(TensorBoardLog.seconds(after: [], now: 5) == 5)
  }

  @Test func `Events wait at most a second as long as they come`() throws {
    let log = try TensorBoardLog(folder: folder.folder, host: "a", resumingAt: nil)
    let size = { try Data(contentsOf: URL(filePath: log.path)).count }
    let before = try size()
    try log.add([("step/loss", 1)], step: 1)
    #expect(try size() == before)
    usleep(1_050_000)
    try log.add([("step/loss", 1)], step: 2)
    #expect(try size() > before)
  }

  @Test func `A folder that cannot be written is an error of output`() throws {
    #expect(throws: (any Error).self) {
      try TensorBoardLog(folder: folder.path("none"), host: "a", resumingAt: nil)
    }
    let full = open("/dev/full", O_WRONLY)
    defer { close(full) }
    let error = #expect(throws: StorageError.self) { try [UInt8(1)].span.bytes.writeAll(to: full, path: "/dev/full") }
    #expect(error?.exitCode == 74)
  }
}
