import Datasets
import LinearAlgebra
import Testing

extension DataTests {
  /// Labels in arrays, and the classes of models that know them by names or by numbers.
  @Suite("Matching of labels")
  struct LabelMatchingTests {
    private let workspace = Workspace()
    private let examples = Examples(120, features: 4, classes: 3)
    private static let names = [3, 7, 9]

    /// Writes `x.npy`, `t.csv` with the labels 3, 7 and 9, and a configuration.
    private func prepare() throws {
      try examples.write("x", to: workspace)
      let lines = zip(examples.features, examples.labels).map { row, label in
        (row.map { "\($0)" } + ["\(Self.names[label])"]).joined(separator: ",") + "\n"
      }
      try workspace.write("t.csv", lines.joined())
      try workspace.write("run.yaml", "{optimizer: {solver: {kind: gram}}, training: {epochs: 3}}")
    }

    private func train(_ run: String, _ settings: [String], _ ranks: Ranks = .plain, more: [String] = []) throws
      -> Outcome
    {
      try Program.run(
        ranks, ["train", "run.yaml", "--run-directory", run] + settings.flatMap { ["--set", "data.\($0)"] } + more,
        in: workspace)
    }

    private func evaluate(_ run: String, _ labels: String, _ ranks: Ranks = .plain) throws -> Outcome {
      try Program.run(
        ranks, ["evaluate", "\(run)/model.safetensors", "--features", "x-features.npy", "--labels", labels],
        in: workspace)
    }

    /// Writes one-hot rows with the 1 in these columns.
    private func writeOneHot(_ name: String, _ columns: [Int], of count: Int) throws {
      let values = columns.flatMap { column in (0..<count).map { $0 == column ? Float(1) : 0 } }
      try NPY.write(Matrix(Vector(values), columns.count, count), to: workspace.path(name))
    }

    @Test func `What predict writes for labels that are numbers are these labels`() throws {
      try prepare()
      try train("run", ["train.features=t.csv"]).expectSuccess()
      for ranks in [Ranks.plain, .mpirun(2)] {
        try Program.run(
          ranks, ["predict", "run/model.safetensors", "--features", "x-features.npy", "--classes", "c.npy"],
          in: workspace
        ).expectSuccess()
        let classes = try NPYArray<Int64>(workspace.bytes("c.npy")).values.map { Int($0) }
        #expect(Set(classes) == Set(Self.names))
        let run = try evaluate("run", "c.npy", ranks)
        run.expectSuccess()
        #expect(run.output.contains("accuracy 100.00 %"), "\(run.output)")
        #expect(run.errorOutput.contains("c.npy: labels are the names of classes, 3, 7, 9, not their positions"))
        try writeOneHot("hot.npy", classes.map { Self.names.firstIndex(of: $0)! }, of: 3)
        let hot = try evaluate("run", "hot.npy", ranks)
        hot.expectSuccess()
        #expect(hot.output == run.output && hot.errorOutput.contains("hot.npy: one-hot columns are the classes"))
      }
    }

    @Test func `Test sets have the classes of training sets, and the start of a run says how`() throws {
      try prepare()
      try NPY.write(examples.labels.map { Int64(Self.names[$0]) }, to: workspace.path("named.npy"))
      let header = "{'descr': '|S1', 'fortran_order': False, 'shape': (\(examples.labels.count),), }\n"
      let texts = examples.labels.map { Array("\(Self.names[$0])".utf8)[0] }
      try workspace.write(
        "texts.npy", [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + texts)
      let arrays = ["train.features=x-features.npy", "train.labels=texts.npy", "test.features=x-features.npy"]
      try writeOneHot("hot.npy", examples.labels, of: 3)
      func first(_ run: String) throws -> Double? {
        try workspace.metrics(run).first { $0.event == "evaluation" && $0.split == "test" }?.accuracy
      }
      for (labels, note) in [("named", "labels are the names of classes, 3, 7, 9"), ("hot", "one-hot columns are")] {
        let settings = arrays + ["test.labels=\(labels).npy"]
        let run = try train(labels, settings)
        run.expectSuccess()
        #expect(run.output.contains("\(labels).npy: \(note)"), "\(run.output)")
        try train(labels, settings, more: ["--set", "training.epochs=4", "--resume"]).expectSuccess()
      }
      try train("texts", arrays + ["test.labels=texts.npy"], more: ["--set", "training.epochs=4"]).expectSuccess()
      #expect(try first("named") == first("texts") && first("hot") == first("texts") && first("texts") != nil)
    }

    @Test func `One-hot labels have a column for each class`() throws {
      try prepare()
      try NPY.write(examples.labels.map { Int64($0 + 1) }, to: workspace.path("from-one.npy"))
      for count in [2, 3, 4] { try writeOneHot("hot\(count).npy", examples.labels.map { $0 % count }, of: count) }
      let arrays = ["train.features=x-features.npy", "train.labels=from-one.npy"]
      try train("one", arrays).expectSuccess()
      // The class 0 of this model has no examples, so that column 0 would be none of the labels 1 to 3.
      let said = ["hot3.npy", "one-hot labels of 3 columns", "4 classes"]
      for ranks in [Ranks.plain, .mpirun(2)] {
        try evaluate("one", "hot3.npy", ranks).expectError(65, mentioning: said)
        try train("two", arrays + ["test.features=x-features.npy", "test.labels=hot3.npy"], ranks)
          .expectError(65, mentioning: said)
      }
      try train("named", ["train.features=t.csv"]).expectSuccess()
      for count in [2, 4] {
        try evaluate("named", "hot\(count).npy")
          .expectError(65, mentioning: ["hot\(count).npy", "labels of \(count) columns", "3 classes, 3, 7, 9"])
      }
      try train("hot", ["train.features=x-features.npy", "train.labels=hot4.npy", "classes=3"])
        .expectError(65, mentioning: ["hot4.npy", "labels of 4 columns", "3 classes"])
      let empty = try train("hot", ["train.features=x-features.npy", "train.labels=hot4.npy"])
      empty.expectSuccess()
      #expect(empty.output.contains(" 4 classes") && empty.output.contains("class 3 has no examples"))
    }
  }
}
