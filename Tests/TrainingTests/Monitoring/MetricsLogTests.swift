import Foundation
import Testing

@testable import Training

@Suite struct MetricsLogTests {
  private struct Event: Encodable {
    var event = "step"
    var step: Int
    var loss = 0.5
  }

  let folder = TemporaryFolder()
  private var path: String { folder.path("metrics.jsonl") }

  private var text: String { get throws { String(decoding: try folder.bytes("metrics.jsonl"), as: UTF8.self) } }

  private func log(_ steps: some Sequence<Int>, resumingAt step: Int? = nil) throws {
    let log = try MetricsLog(path: path, resumingAt: step)
    for step in steps { try log.write(Event(step: step)) }
  }

  private var steps: [Int] {
    get throws {
      try text.split(separator: "\n").map {
        try #require((try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])?["step"] as? Int)
      }
    }
  }

  @Test func `Every event is a line of JSON`() throws {
    try log(1...3)
    #expect(try text.hasSuffix("}\n"))
    #expect(try steps == [1, 2, 3])
  }

  @Test func `A line that a kill has cut off does not take the next one with it`() throws {
    try log(1...2)
    try folder.write("metrics.jsonl", Array(try folder.bytes("metrics.jsonl").dropLast(5)))
    try log(3...4)
    let lines = try text.split(separator: "\n")
    #expect(lines.count == 4 && lines[1].hasSuffix("\"step") && lines[2].hasSuffix("3}"))
  }

  @Test func `A new log does not touch what is there`() throws {
    try log(1...3)
    try log(4...5)
    #expect(try steps == [1, 2, 3, 4, 5])
  }

  @Test func `Resuming drops the events after the step`() throws {
    try log(1...9)
    try log(5...6, resumingAt: 4)
    #expect(try steps == [1, 2, 3, 4, 5, 6])
    #expect(try folder.names == ["metrics.jsonl"])
  }

  @Test func `Resuming at the beginning keeps what came before the first step`() throws {
    try log(0...3)
    try log(1...1, resumingAt: 0)
    #expect(try steps == [0, 1])
  }

  @Test func `Resuming drops a line that was cut at any byte`() throws {
    try log(1...3)
    let whole = try folder.bytes("metrics.jsonl")
    let lineLength = whole.count / 3
    for cut in 1...lineLength {
      try folder.write("metrics.jsonl", Array(whole.dropLast(cut)))
      try log(3...3, resumingAt: 2)
      #expect(try steps == [1, 2, 3], "\(cut) bytes missing")
    }
  }

  @Test func `Resuming keeps a complete last line without its newline`() throws {
    try log(1...3)
    try folder.write("metrics.jsonl", Array(try folder.bytes("metrics.jsonl").dropLast()))
    try log(4...4, resumingAt: 3)
    #expect(try steps == [1, 2, 3, 4])
  }

  @Test func `Resuming without a log starts one`() throws {
    try log(8...9, resumingAt: 7)
    #expect(try steps == [8, 9])
  }

  @Test func `Resuming drops what is no event`() throws {
    try folder.write("metrics.jsonl", Array("rubbish\n{\"step\":1}\n{\"event\":\"end\"}\n\0\0\0\n{\"step\":2}\n".utf8))
    try log([3], resumingAt: 2)
    #expect(try steps == [1, 2, 3])
  }

  @Test func `Numbers that are none are written as words`() throws {
    let log = try MetricsLog(path: path, resumingAt: nil)
    for loss in [Double.nan, .infinity, -.infinity] { try log.write(Event(step: 1, loss: loss)) }
    let words = try text.split(separator: "\n").map { try #require($0.firstMatch(of: /"loss":"([^"]*)"/)).1 }
    #expect(words == ["nan", "inf", "-inf"])
  }

  @Test func `A place that cannot be written is an error of output`() {
    let error = #expect(throws: StorageError.self) {
      try MetricsLog(path: folder.path("none/metrics.jsonl"), resumingAt: nil)
    }
    #expect(error?.exitCode == 74)
    let full = #expect(throws: StorageError.self) {
      try MetricsLog(path: "/dev/full", resumingAt: nil).write(Event(step: 1))
    }
    #expect(full?.exitCode == 74)
    #expect(full?.description.contains("/dev/full: write") == true)
  }
}
