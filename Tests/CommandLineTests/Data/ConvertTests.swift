import Foundation
import Testing

extension DataTests {
  @Suite("Converting examples")
  struct ConvertTests {
    private let workspace = Workspace()

    private func convert(_ arguments: String, ranks: Ranks = .plain) throws -> Outcome {
      try Program.run(ranks, ["convert"] + arguments.split(separator: " ").map(String.init), in: workspace)
    }

    @Test
    func `Goes from format to format, and trains the same model`() throws {
      try Examples(300, features: 6, classes: 3).write(to: workspace)
      try workspace.write("names.txt", "-1\n2\n5\n")
      let steps = [
        "train-features.npy --labels train-labels.npy --class-names names.txt --output a.svm",
        "a.svm --output b.csv --classes c.txt",
        "b.csv.gz --output d.npy --output-labels e.npy --class-names c.txt",
      ]
      for (number, step) in steps.enumerated() {
        let outcome = try convert(step, ranks: number == 1 ? .mpirun(2) : .plain)
        outcome.expectSuccess()
        for line in ["examples:  300\n", "features:  6, 0 of them constant\n", "100.00 % not zero\n", "classes:   3, "]
        {
          #expect(outcome.output.contains(line), "\(outcome.output)")
        }
        #expect(outcome.errorOutput.isEmpty || number == 1)
        if number == 1 { try Child(["gzip", "b.csv"], in: workspace).wait().expectSuccess() }
      }
      #expect(try workspace.bytes("d.npy") == workspace.bytes("train-features.npy"))
      #expect(try workspace.bytes("e.npy") == workspace.bytes("train-labels.npy"))
      #expect(try workspace.bytes("c.txt") == workspace.bytes("names.txt"))

      try workspace.write("run.yaml", "{optimizer: {solver: {kind: gram}}, training: {epochs: 2}}")
      for (name, data) in [
        ("text", ["data.train.features=a.svm"]), ("arrays", ["data.train.features=d.npy", "data.train.labels=e.npy"]),
      ] {
        let options = data.flatMap { ["--set", $0] }
        try Program.run(["train", "run.yaml", "--run-directory", name] + options, in: workspace).expectSuccess()
      }
      #expect(try lossDifference(workspace.steps("text"), workspace.steps("arrays")) < 1e-6)
    }

    @Test
    func `Goes into a random order, the same from every format, without another trace`() throws {
      try Examples(300, features: 6, classes: 3).write(to: workspace)
      for step in [
        "train-features.npy --labels train-labels.npy --output a.csv",
        "train-features.npy --labels train-labels.npy --output b.npy --output-labels c.npy --shuffle 7",
        "a.csv --output d.npy --output-labels e.npy --shuffle 7",
        "a.csv --output f.npy --shuffle 8",
      ] {
        let outcome = try convert(step)
        outcome.expectSuccess()
        #expect(outcome.output.contains("examples:  300\n"))
      }
      let (order, labels) = (try workspace.bytes("b.npy"), try workspace.bytes("c.npy"))
      #expect(try workspace.bytes("d.npy") == order && workspace.bytes("e.npy") == labels)
      let others = try [workspace.bytes("train-features.npy"), workspace.bytes("f.npy")]
      #expect(others.allSatisfy { $0 != order && $0.count == order.count })
      #expect(workspace.names(".").allSatisfy { !$0.contains(".npy.") })
    }

    @Test(arguments: [
      ("a.csv --output b.txt", ["b.txt", ".npy", ".svm"]), ("a.csv --labels b.npy --output c.npy", ["--labels"]),
      ("a.csv --output b.csv.gz", ["b.csv.gz"]), ("a.csv --output b.npy --output-labels c.csv", ["c.csv", ".npy"]),
      ("a.npy --output a.npy", ["a.npy", "twice"]), ("a.csv --output b.npy --output-labels ./b.npy", ["twice"]),
      ("a.csv --class-names n --classes n --output b.npy", ["n", "twice"]),
      ("b.npy.partial --output b.npy", ["b.npy.partial", "twice"]),
      ("a.svm --label-column 1 --output b.npy", ["--label-column"]),
      ("a.npy --columns 3 --output b.csv", ["--columns"]),
      ("a.csv --index-base one --output b.npy", ["--index-base"]),
      ("a.csv --columns 0 --output b.csv", ["--columns 0"]),
      ("a.npy --output b.svm", ["b.svm", "--labels"]),
      ("a.npy --output b.npy --classes c", ["--classes", "--labels"]),
      ("a.npy --labels l.npy --output b.npy", ["b.npy", "--output-labels"]),
      ("a.csv --output b.npy --dtype float16", ["--dtype", "float16"]),
    ])
    func `Refuses options that do not fit`(arguments: String, words: [String]) throws {
      try convert(arguments).expectError(64, mentioning: words)
      #expect(workspace.names(".").allSatisfy { $0.hasPrefix(".") })
    }

    @Test
    func `Names what is wrong with the data, on any number of ranks`() throws {
      try workspace.write("bad.csv", String(repeating: "1,2,a\n", count: 100) + "1,b,a\n1,2,a\n")
      for ranks in [Ranks.plain, .mpirun(2)] {
        try convert("bad.csv --output o.npy --output-labels l.npy", ranks: ranks)
          .expectError(65, mentioning: ["bad.csv", "line 101", "column 2", "'b'"])
        try convert("missing.csv --output o.npy", ranks: ranks).expectError(66, mentioning: ["missing.csv"])
        try convert("bad.csv --class-names none.txt --output o.npy", ranks: ranks)
          .expectError(66, mentioning: ["none.txt"])
      }
      #expect(!workspace.names(".").contains { $0.hasPrefix("o.") || $0.hasPrefix("l.") })
      try workspace.write("labelled.csv", "1,2,a\n3,4,b\n")
      #expect(try convert("labelled.csv --output x.npy").output.contains("no labels; --output-labels writes them"))
    }

    /// Writes lines in LIBSVM's format, at most `byteCount` bytes in all.
    private func writeText(_ name: String, _ byteCount: Int) throws {
      let block = (0..<1000).map { row in
        "\(row % 7)" + (1...40).map { " \(25 * $0 - row % 25):\(Float(row * $0 % 997) / 1000 + 0.001)" }.joined() + "\n"
      }.joined()
      let file = try #require(fopen(workspace.path(name), "w"))
      for _ in 0..<byteCount / block.utf8.count { fputs(block, file) }
      fclose(file)
    }

    @Test
    func `Takes memory that does not grow with the file`() throws {
      func peak(_ input: String, _ output: String) throws -> Int {
        let child = try Child(Program.command(.plain, ["convert", input, "--output", output]), in: workspace)
        let peak = child.peakMemory()
        try child.wait().expectSuccess()
        return peak
      }
      let sizes = Thoroughness.isFull ? (10_000_000, 210_000_000) : (10_000_000, 80_000_000)
      try writeText("small.svm", sizes.0)
      try writeText("large.svm", sizes.1)
      try Child(["sh", "-c", "gzip -c small.svm > small.svm.gz && gzip -c large.svm > large.svm.gz"], in: workspace)
        .wait().expectSuccess()
      for (ending, output) in [("svm", "o.npy"), ("svm", "o.svm"), ("svm.gz", "o.csv")] {
        let small = try peak("small.\(ending)", output)
        let large = try peak("large.\(ending)", output)
        // The files differ by 70 MB. A short run may end before its peak of some 40 MB is seen, on a busy machine.
        #expect(small > 10_000_000 && large < small + 35_000_000, "\(ending) to \(output): \(small), \(large)")
        Figures.note("convert \(sizes.1) bytes of .\(ending) to \(output), resident", large)
      }
    }

    @Test
    func `Leaves old files as they were when it is stopped or killed`() throws {
      // The file is so large that a conversion takes seconds, even if this process waits for a CPU.
      try writeText("large.svm", 300_000_000)
      for signal in [SIGTERM, SIGINT, SIGKILL] {
        try workspace.write("o.csv", "old")
        let child = try Child(
          Program.command(.plain, ["convert", "large.svm", "--output", "o.csv", "--classes", "c.txt"]), in: workspace)
        defer { child.stop() }
        try #require(poll(for: Child.limit) { child.hasEnded || workspace.exists("o.csv.partial") })
        try #require(!child.hasEnded)
        kill(child.pid, signal)
        let outcome = try child.wait()
        if signal == SIGKILL {
          #expect(outcome.code == 137)
        } else {
          outcome.expectError(75, mentioning: [signal == SIGINT ? "SIGINT" : "SIGTERM", "no result was written"])
          #expect(!workspace.names(".").contains { $0.hasSuffix(".partial") })
        }
        #expect(try workspace.bytes("o.csv") == Array("old".utf8) && !workspace.exists("c.txt"))
      }
      // The remains of a killed conversion are in nobody's way.
      try writeText("small.svm", 1_000_000)
      try convert("small.svm --output o.csv --classes c.txt").expectSuccess()
    }
  }
}
