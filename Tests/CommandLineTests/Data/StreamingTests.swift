import Datasets
import Foundation
import LinearAlgebra
import Testing

extension DataTests {
  /// Examples that exceed the memory of the program.
  @Suite("Large inputs")
  struct StreamingTests {
    private static let (features, classes) = (784, 10)
    /// The program and its libraries take about 250 MB of addresses, most of which are never touched.
    private static let limit = 400_000_000
    private static let model = "run/model.safetensors"

    private func train() throws -> Workspace {
      let workspace = Workspace()
      try Examples(50, features: Self.features, classes: Self.classes).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return workspace
    }

    /// Runs the program within the address space `limit`, and returns its peak of resident bytes.
    private func runLimited(_ arguments: [String], in workspace: Workspace) throws -> Int {
      let child = try Child(
        ["sh", "-c", "ulimit -v \(Self.limit / 1024) && exec \"$0\" \"$@\""] + Program.command(.plain, arguments),
        in: workspace)
      let peak = child.peakMemory()
      try child.wait().expectSuccess()
      return peak
    }

    /// Writes a sparse file of float64 with zeros in all rows except `filled`, and a small one with just these rows.
    private func writeSparse(_ rows: Int, filled: [Int], to workspace: Workspace) throws {
      var generator = SplitMix64(seed: 2)
      let values = Vector<Double>(zeros: filled.count * Self.features)
      for i in 0..<values.count { values[i] = generator.nextNormal() }
      try NPY.write(Matrix(values, filled.count, Self.features), to: workspace.path("small.npy"))
      let small = try workspace.bytes("small.npy")
      let rowSize = 8 * Self.features
      let start = small.count - filled.count * rowSize
      // The header gets another number of rows, and loses as many blanks.
      let header = String(decoding: small[..<start].dropFirst(10), as: UTF8.self)
        .replacingOccurrences(of: "(\(filled.count),", with: "(\(rows),")
      let excess = header.utf8.count - (start - 10)
      let fitted = header.replacingOccurrences(of: String(repeating: " ", count: excess) + "\n", with: "\n")
      try workspace.write("large.npy", Array(small[..<10]) + Array(fitted.utf8))
      let file = try FileHandle(forWritingTo: URL(fileURLWithPath: workspace.path("large.npy")))
      for (index, row) in filled.enumerated() {
        try file.seek(toOffset: UInt64(start + row * rowSize))
        try file.write(contentsOf: small[(start + index * rowSize)...].prefix(rowSize))
      }
      try file.truncate(atOffset: UInt64(start + rows * rowSize))
      try file.close()
    }

    @Test func `Are read in memory that does not grow with them`() throws {
      let workspace = try train()
      let rows = 320_000
      let filled = [0, 1, 777, 160_000, rows - 1]
      try writeSparse(rows, filled: filled, to: workspace)
      let size = 8 * rows * Self.features
      #expect(size > 5 * Self.limit)
      let outputs = ["--logits", "z.npy", "--probabilities", "p.csv", "--classes", "c.npy"]
      let peak = try runLimited(["predict", Self.model, "--features", "large.npy"] + outputs, in: workspace)
      #expect(peak > 0 && peak < 100_000_000)
      Figures.note("predict from \(size) bytes, resident", peak)

      try Program.run(
        ["predict", Self.model, "--features", "small.npy", "--logits", "z-small.npy", "--classes", "c-small.npy"],
        in: workspace
      ).expectSuccess()
      let (all, few) = (
        try NPYArray<Float>(workspace.bytes("z.npy")), try NPYArray<Float>(workspace.bytes("z-small.npy"))
      )
      try #require(all.values.count == rows * Self.classes)
      for (index, row) in filled.enumerated() {
        for c in 0..<Self.classes {
          #expect(abs(all.values[row * Self.classes + c] - few.values[index * Self.classes + c]) < 1e-5)
        }
      }
      // The scores of zero rows are the biases.
      let zero = Array(all.values[2 * Self.classes..<3 * Self.classes])
      for row in (0..<rows).filter({ !filled.contains($0) }).enumerated().filter({ $0.offset % 997 == 0 }).map(
        \.element)
      {
        #expect(zip(all.values[row * Self.classes..<(row + 1) * Self.classes], zero).allSatisfy { abs($0 - $1) < 1e-6 })
      }
      let classes = try NPYArray<Int64>(workspace.bytes("c.npy")).values
      let few2 = try NPYArray<Int64>(workspace.bytes("c-small.npy")).values
      #expect(filled.map { classes[$0] } == few2)
      #expect(try workspace.bytes("p.csv").count { $0 == UInt8(ascii: "\n") } == rows + 1)
    }

    @Test func `Are inflated in memory that does not grow with them`() throws {
      let workspace = try train()
      // The file repeats one compressed member of zeros between a header and a last row.
      let (times, block) = (40, 49 << 20)
      let rows = times * block / Self.features + 1
      #expect(times * block > 4 * Self.limit)
      let counts = [rows, Self.features].flatMap { n in
        (0..<4).reversed().map { UInt8(truncatingIfNeeded: n >> (8 * $0)) }
      }
      let last = (0..<Self.features).map { UInt8($0 % 251) }
      try workspace.write("header", [0, 0, 8, 2] + counts)
      try workspace.write("last", last)
      let pack =
        "gzip -c header > large.gz && head -c \(block) /dev/zero | gzip -c > zeros.gz && "
        + "for i in $(seq \(times)); do cat zeros.gz; done >> large.gz && gzip -c last >> large.gz"
      try Child(["sh", "-c", pack], in: workspace).wait().expectSuccess()
      let peak = try runLimited(
        ["predict", Self.model, "--features", "large.gz", "--logits", "z.npy"], in: workspace)
      #expect(peak > 0 && peak < 100_000_000)
      Figures.note("predict from \(times * block) inflated bytes, resident", peak)

      try workspace.write("two.idx", [0, 0, 8, 2, 0, 0, 0, 2] + counts.suffix(4) + last.map { _ in 0 } + last)
      try Program.run(["predict", Self.model, "--features", "two.idx", "--logits", "two.npy"], in: workspace)
        .expectSuccess()
      let (all, two) = (try NPYArray<Float>(workspace.bytes("z.npy")), try NPYArray<Float>(workspace.bytes("two.npy")))
      try #require(all.values.count == rows * Self.classes)
      for row in [0, 1, rows / 2, rows - 2, rows - 1] {
        let expected = two.values[(row == rows - 1 ? Self.classes : 0)...].prefix(Self.classes)
        let found = all.values[row * Self.classes..<(row + 1) * Self.classes]
        #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-4 * max(1, abs($1)) }, "row \(row)")
      }

      try NPY.write([Int64](repeating: 3, count: rows), to: workspace.path("labels.npy"))
      let evaluation = try runLimited(
        ["evaluate", Self.model, "--features", "large.gz", "--labels", "labels.npy"], in: workspace)
      // Labels take 12 bytes per example here.
      #expect(evaluation < 100_000_000 + 12 * rows)
      Figures.note("evaluate on \(times * block) inflated bytes, resident", evaluation)
    }

    @Test(arguments: ["features.npy", "train-features.idx.gz"])
    func `Give the same bytes on any number of ranks`(input: String) throws {
      let workspace = Workspace()
      // Several blocks per rank on four ranks, and a part of one.
      let examples = Examples(input.hasSuffix("npy") ? 5000 : 4000, features: 13, classes: 7)
      if input.hasSuffix("npy") {
        let values = examples.features.flatMap { $0.map { Float($0) } }
        try NPY.write(Matrix(Vector(values), 5000, 13), to: workspace.path(input))
      } else {
        try examples.writeIDX(to: workspace)
        try Child(["gzip", "train-features.idx"], in: workspace).wait().expectSuccess()
      }
      try Examples(300, features: 13, classes: 7).write(to: workspace)
      let layers = "[{linear: 31}, tanh, layer_norm, {residual: [{linear: 31}, relu]}]"
      try workspace.write("run.yaml", Fault.configuration + "model: {layers: \(layers)}\n")
      try Program.run(Fault.train, in: workspace).expectSuccess()
      let outputs = ["--logits", "z.npy", "--probabilities", "p.csv", "--classes", "c.npy"]
      var first: [[UInt8]] = []
      for ranks in [Ranks.plain, .mpirun(1), .mpirun(2), .mpirun(3), .mpirun(4)] {
        try Program.run(ranks, ["predict", Self.model, "--features", input] + outputs, in: workspace).expectSuccess()
        let files = try ["z.npy", "p.csv", "c.npy"].map { try workspace.bytes($0) }
        if first.isEmpty { first = files }
        #expect(files == first, "\(ranks)")
        for name in ["z.npy", "p.csv", "c.npy"] { try FileManager.default.removeItem(atPath: workspace.path(name)) }
      }
    }

    @Test func `A killed or stopped prediction leaves old files as they were`() throws {
      let workspace = try train()
      try writeSparse(20_000_000, filled: [5], to: workspace)
      let outputs = ["--logits", "z.npy", "--probabilities", "p.csv", "--classes", "new.npy"]
      for (signal, ranks) in [(SIGKILL, Ranks.plain), (SIGTERM, .plain), (SIGINT, .plain), (SIGTERM, .mpirun(2))] {
        try workspace.write("z.npy", "old")
        try workspace.write("p.csv", "old")
        let child = try Child(
          Program.command(ranks, ["predict", Self.model, "--features", "large.npy"] + outputs), in: workspace)
        defer { child.stop() }
        // The conversion is under way once the new file has some megabytes.
        try #require(poll(for: Child.limit) { child.hasEnded || size(workspace.path("z.npy.partial")) > 1 << 20 })
        try #require(!child.hasEnded)
        kill(try #require(child.programs.last), signal)
        let outcome = try child.wait()
        if signal == SIGKILL {
          #expect(outcome.code == 137)
        } else {
          outcome.expectError(75, mentioning: [signal == SIGINT ? "SIGINT" : "SIGTERM", "run it again"])
          #expect(workspace.names(".").allSatisfy { !$0.contains("partial") && !$0.contains("new.npy") })
        }
        for name in ["z.npy", "p.csv"] { #expect(try workspace.bytes(name) == Array("old".utf8)) }
        #expect(!workspace.exists("new.npy"))
        for name in workspace.names(".") where name.contains("partial") || name.contains(".tmp-") {
          try FileManager.default.removeItem(atPath: workspace.path(name))
        }
      }
    }

    private func size(_ path: String) -> Int {
      var status = stat()
      return stat(path, &status) == 0 ? Int(status.st_size) : 0
    }

    @Test func `Damage deep in a compressed file is found before anything is written`() throws {
      let workspace = Workspace()
      try Examples(60, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      try Examples(3000, features: 6, classes: 3).writeIDX("bad", compressed: true, to: workspace)
      try workspace.change("bad-features.idx.gz") { $0[$0.count - 5] ^= 1 }
      let features = ["--features", "bad-features.idx.gz"]
      var lines: Set<String> = []
      for ranks in [Ranks.plain, .mpirun(3)] {
        for command in [
          ["predict", Self.model, "--classes", "c.npy"], ["evaluate", Self.model, "--labels", "bad-labels.idx.gz"],
        ] {
          let outcome = try Program.run(ranks, command + features, in: workspace)
          outcome.expectError(65, mentioning: ["bad-features.idx.gz", "damaged"])
          lines.formUnion(outcome.errors)
        }
      }
      #expect(lines.count == 1, "\(lines)")
      #expect(!workspace.exists("c.npy"))
    }

    @Test func `A value that is not finite is named with its place`() throws {
      let workspace = Workspace()
      try Examples(60, features: 6, classes: 3).write(to: workspace)
      try workspace.write("run.yaml", Fault.configuration)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      var bad = Examples(3000, features: 6, classes: 3)
      for row in [2000, 2999] { bad.features[row][4] = .infinity }
      try bad.write("bad", to: workspace)
      for ranks in [Ranks.plain, .mpirun(3)] {
        for command in [["predict", "--classes", "c.npy"], ["evaluate", "--labels", "bad-labels.npy"]] {
          try Program.run(ranks, command + [Self.model, "--features", "bad-features.npy"], in: workspace)
            .expectError(65, mentioning: ["bad-features.npy", "example 2000", "feature 4"])
        }
      }
    }

    @Test func `Outputs are files of their own`() throws {
      let workspace = Workspace()
      for names in [["a.npy", "a.npy"], ["./a.npy", "a.npy"], ["in.npy", "b.npy"], ["x/../in.npy", "b.npy"]] {
        try Program.run(
          ["predict", "m", "--features", "in.npy", "--logits", names[0], "--classes", names[1]], in: workspace
        ).expectError(64, mentioning: [".npy", "twice"])
      }
    }
  }
}
