import Foundation
import Testing

extension DataTests {
  /// A set of the parts of a file gives, bit for bit, the results of the whole file.
  @Suite("Sets of several files")
  struct FileSetRunTests {
    private static let cuts = [0..<97, 97..<98, 98..<250]

    /// `train` and `test` as arrays, tables and text of LIBSVM's format, whole and in parts.
    private func prepare() throws -> Workspace {
      let workspace = Workspace()
      let all = Examples(250, features: 5, classes: 3)
      func write(_ name: String, _ rows: Range<Int>, header: Bool) throws {
        var part = all
        (part.features, part.labels) = (Array(all.features[rows]), Array(all.labels[rows]))
        try part.write(name, to: workspace)
        var (table, sparse) = (header ? "a,b,c,d,e,kind\n" : "", "")
        for (row, label) in zip(part.features, part.labels) {
          table += (row.map { "\($0)" } + ["class \(label)"]).joined(separator: ",") + "\n"
          sparse += "\(label)" + row.enumerated().map { " \($0 + 1):\($1)" }.joined() + "\n"
        }
        try workspace.write("\(name).csv", table)
        try workspace.write("\(name).svm", sparse)
      }
      try write("whole", 0..<250, header: true)
      for (number, rows) in Self.cuts.enumerated() { try write("part-\(number)", rows, header: number != 1) }
      try workspace.write(
        "run.yaml",
        """
        data: {normalize: standardize}
        model: {layers: [{linear: 4}, tanh]}
        optimizer: {batch_size: 60, solver: {kind: gram}}
        training: {epochs: 3, reproducible: true}
        checkpoint: {every: 4}
        """)
      return workspace
    }

    private func data(_ format: String, _ name: String) -> [String] {
      let files =
        format == "npy"
        ? ["features=\(name)-features.npy", "labels=\(name)-labels.npy"] : ["features=\(name).\(format)"]
      return ["train", "test"].flatMap { set in files.flatMap { ["--set", "data.\(set).\($0)"] } }
    }

    private func train(
      _ run: String, _ arguments: [String], ranks: Ranks = .plain, in workspace: Workspace
    ) throws -> Outcome {
      try Program.run(ranks, ["train", "run.yaml", "--run-directory", run] + arguments, in: workspace)
    }

    @Test(arguments: ["npy", "csv", "svm"])
    func `Train the model of the one file`(format: String) throws {
      let workspace = try prepare()
      try train("whole", data(format, "whole"), in: workspace).expectSuccess()
      let list = format == "npy" ? "" : "[part-0.\(format), part-1.\(format), 'part-[2-9].\(format)']"
      let settings = [
        ("plain", Ranks.plain, data(format, "part-*")), ("three", .mpirun(3), data(format, "part-*")),
        ("list", .plain, data(format, "part-?") + (list.isEmpty ? [] : ["--set", "data.train.features=\(list)"])),
      ]
      let model = try workspace.bytes("whole/model.safetensors")
      func tensors(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
        let length = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        return bytes[(8 + length)...]
      }
      for (run, ranks, arguments) in settings {
        try train(run, arguments, ranks: ranks, in: workspace).expectSuccess()
        #expect(try tensors(workspace.bytes("\(run)/model.safetensors")) == tensors(model), "\(run)")
        let (found, expected) = (try workspace.steps(run), try workspace.steps("whole"))
        #expect(found.map(\.loss) == expected.map(\.loss) && found.count == 15)
      }

      // A run resumes with the same examples in other files.
      for name in workspace.checkpoints("whole").sorted().dropFirst() {
        try FileManager.default.removeItem(atPath: workspace.path("whole/checkpoints/\(name)"))
      }
      try train("whole", data(format, "part-*") + ["--resume"], in: workspace).expectSuccess()
      #expect(try tensors(workspace.bytes("whole/model.safetensors")) == tensors(model))
    }

    @Test(arguments: ["npy", "csv", "svm"])
    func `Are scored and predicted as one`(format: String) throws {
      let workspace = try prepare()
      try train("run", data(format, "whole"), in: workspace).expectSuccess()
      func options(_ names: [String], labels: Bool = false) -> [String] {
        let ending = format == "npy" ? "-features.npy" : ".\(format)"
        return names.flatMap { ["--features", $0 + ending] }
          + (labels && format == "npy" ? names.flatMap { ["--labels", $0 + "-labels.npy"] } : [])
      }
      func evaluate(_ names: [String], _ ranks: Ranks) throws -> String {
        let outcome = try Program.run(
          ranks, ["evaluate", "run/model.safetensors", "--json"] + options(names, labels: true), in: workspace)
        outcome.expectSuccess()
        return outcome.output
      }
      let expected = try evaluate(["whole"], .plain)
      #expect(try evaluate(["part-*"], .plain) == expected)
      #expect(try evaluate(["part-0", "part-1", "part-2"], .mpirun(3)) == evaluate(["whole"], .mpirun(3)))
      for (name, ranks) in [("whole", Ranks.plain), ("part-*", .plain), ("part-?", .mpirun(3))] {
        try Program.run(
          ranks, ["predict", "run/model.safetensors", "--logits", "\(ranks).npy"] + options([name]), in: workspace
        ).expectSuccess()
        if name == "whole" { try workspace.write("expected.npy", workspace.bytes("\(ranks).npy")) }
        #expect(try workspace.bytes("\(ranks).npy") == workspace.bytes("expected.npy"), "\(name)")
      }
    }

    @Test
    func `May be more compressed files than a process may open at first`() throws {
      let workspace = Workspace()
      let all = Examples(100, features: 3, classes: 2)
      try all.writeIDX("whole", to: workspace)
      for row in 0..<all.labels.count {
        var part = all
        (part.features, part.labels) = ([all.features[row]], [all.labels[row]])
        try part.writeIDX("part-\(100 + row)", compressed: true, to: workspace)
      }
      try workspace.write("run.yaml", "{optimizer: {solver: {kind: gram}}, training: {epochs: 1}}")
      func train(_ run: String, _ name: String, _ ending: String) throws -> [UInt8] {
        let command = Program.command(
          .mpirun(2),
          ["train", "run.yaml", "--run-directory", run, "--set", "data.train.features=\(name)-features.\(ending)"]
            + ["--set", "data.train.labels=\(name)-labels.\(ending)"])
        try Child(["sh", "-c", "ulimit -Sn 100; exec \"$@\"", "sh"] + command, in: workspace).wait().expectSuccess()
        return try workspace.bytes("\(run)/model.safetensors").suffix(2 * 4 * 4)
      }
      #expect(try train("parts", "part-*", "idx.gz") == train("one", "whole", "idx"))
    }

    @Test
    func `Name the file that is wrong, on any number of ranks`() throws {
      let workspace = try prepare()
      var part = Examples(3, features: 6, classes: 3)
      try part.write("wide", to: workspace)
      part.features = part.features.map { Array($0.dropLast()) }
      part.features[2][1] = .infinity
      try part.write("infinite", to: workspace)
      try workspace.write("bad.csv", "a,b,c,d,e,kind\n1,2,3,4,5,class 0\n1,2,x,4,5,class 0\n")
      try workspace.write("other.csv", "a,b,c,d,f,kind\n1,2,3,4,5,class 0\n")
      func set(_ features: String, _ labels: String? = nil) -> [String] {
        ["--set", "data.train.features=\(features)"] + (labels.map { ["--set", "data.train.labels=\($0)"] } ?? [])
      }
      let (features, labels) = ("part-*-features.npy", "part-*-labels.npy")
      for (arguments, code, words) in [
        (set("none-*.npy", labels), 66, ["none-*.npy", "the name of no file"]),
        (set("[\(features), part-1-features.npy]", labels), 65, ["part-1-features.npy", "twice"]),
        (set(features, "[part-0-labels.npy, part-1-labels.npy]"), 65, ["part-0-labels.npy", "2 files of labels"]),
        (set(features, "part-0-labels.npy"), 65, ["part-0-labels.npy", "97 labels", "250 examples"]),
        (
          set(features, "[part-1-labels.npy, part-0-labels.npy, part-2-labels.npy]"), 65,
          ["part-0-features.npy", "97 examples", "part-1-labels.npy has 1 labels"]
        ),
        (set("[part-0-features.npy, wide-features.npy]", "[a.npy, b.npy]"), 65, ["wide-features.npy", "6 float32"]),
        (
          set("[part-0-features.npy, infinite-features.npy]", "[part-0-labels.npy, infinite-labels.npy]"), 65,
          ["infinite-features.npy: example 2", "feature 1"]
        ),
        (set("[part-0.csv, bad.csv]"), 65, ["bad.csv: line 3", "'x'"]),
        (set("[part-0.csv, other.csv]"), 65, ["other.csv: line 1", "'f'", "'e'"]),
        (set("[part-0.csv, part-1-features.npy]"), 64, ["data.train.features", "one format"]),
      ] as [([String], Int, [String])] {
        for ranks in [Ranks.plain, .mpirun(3)] {
          try train("faulty", arguments, ranks: ranks, in: workspace).expectError(Int32(code), mentioning: words)
        }
      }
      try Program.run(
        ["predict", "m", "--features", "whole*.npy", "--logits", "whole-labels.npy"], in: workspace
      ).expectError(64, mentioning: ["whole-labels.npy", "twice"])
    }
  }
}
