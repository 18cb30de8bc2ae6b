import Datasets
import Foundation
import LinearAlgebra
import Testing

extension DataTests {
  @Suite("Bad data end a job with one line of error")
  struct DataFaultTests {
    static let faults: [Fault] = [
      Fault("truncated IDX", idx: true, "train-features.idx", "bytes") {
        try $0.change("train-features.idx") { $0.removeLast(7) }
      },
      Fault("IDX with more values than announced", idx: true, "train-labels.idx") {
        try $0.change("train-labels.idx") { $0.append(1) }
      },
      Fault("IDX cut within its header", idx: true, "train-features.idx", "header") {
        try $0.change("train-features.idx") { $0.removeLast($0.count - 10) }
      },
      Fault("IDX of an unknown type", idx: true, "train-features.idx") {
        try $0.change("train-features.idx") { $0[2] = 7 }
      },
      Fault("IDX with an absurd size", idx: true, "train-features.idx", "announces") {
        try $0.change("train-features.idx") { $0.replaceSubrange(4..<12, with: [UInt8](repeating: 0xff, count: 8)) }
      },
      Fault("truncated gzip", idx: true, gzip: true, "train-features.idx.gz", "end early") {
        try $0.change("train-features.idx.gz") { $0.removeLast(20) }
      },
      Fault("gzip with a flipped bit", idx: true, gzip: true, "train-features.idx.gz", "damaged") {
        try $0.change("train-features.idx.gz") { $0[100] ^= 4 }
      },
      Fault("gzip followed by other bytes", idx: true, gzip: true, "train-labels.idx.gz", "follow") {
        try $0.change("train-labels.idx.gz") { $0 += [1, 2, 3] }
      },
      Fault("damaged NPY header", "train-features.npy", "header") {
        try $0.change("train-features.npy") { $0[12] = UInt8(ascii: "#") }
      },
      Fault("NPY of an unknown version", "train-features.npy", "version") {
        try $0.change("train-features.npy") { $0[6] = 9 }
      },
      Fault("truncated NPY data", "train-labels.npy", "bytes") {
        try $0.change("train-labels.npy") { $0.removeLast(3) }
      },
      Fault("NPY cut within its header", "train-features.npy", "header") {
        try $0.change("train-features.npy") { $0.removeLast($0.count - 40) }
      },
      Fault("empty file", "train-features.npy", "empty") { try $0.write("train-features.npy", "") },
      Fault("a file of another kind", "train-features.npy", "none of the formats of arrays") {
        try $0.write("train-features.npy", "label,value\n1,2\n")
      },
      Fault("label beyond data.classes", "train-labels.npy", "example 0", "label 7", "0 to 2") {
        var examples = Examples(40, features: 6, classes: 3)
        examples.labels[0] = 7
        try examples.write(to: $0)
        try $0.write("run.yaml", Fault.configuration.replacing("npy}}", with: "npy}, classes: 3}"))
      },
      Fault("negative label", "train-labels.npy", "example 33", "label -2") {
        var examples = Examples(40, features: 6, classes: 3)
        examples.labels[33] = -2
        try examples.write(to: $0)
      },
      Fault("label that asks for an enormous model", "train-labels.npy", "example 7", "label 2000000000") {
        var examples = Examples(40, features: 6, classes: 3)
        examples.labels[7] = 2_000_000_000
        try examples.write(to: $0)
      },
      Fault("label of the test set that the training set does not have", "test-labels.npy", "label 5") {
        var examples = Examples(9, features: 6, classes: 3)
        examples.labels[8] = 5
        try examples.write("test", to: $0)
        try $0.write("run.yaml", withTestSet)
      },
      Fault("NaN among the features", "train-features.npy", "example 39", "feature 5", "not finite") {
        var examples = Examples(40, features: 6, classes: 3)
        examples.features[39][5] = .nan
        try examples.write(to: $0)
      },
      Fault("infinite feature of the test set", "test-features.npy", "example 4", "not finite") {
        var examples = Examples(9, features: 6, classes: 3)
        examples.features[4][0] = -.infinity
        try examples.write("test", to: $0)
        try $0.write("run.yaml", withTestSet)
      },
      Fault("more features than labels", "train-features.npy", "40 examples", "39 labels") {
        try NPY.write([Int64](repeating: 1, count: 39), to: $0.path("train-labels.npy"))
      },
      Fault("test set with another number of features", "test-features.npy", "7 features", "6") {
        try Examples(9, features: 7, classes: 3).write("test", to: $0)
        try $0.write("run.yaml", withTestSet)
      },
      Fault("a single class", "train-labels.npy", "one class") {
        try NPY.write([Int64](repeating: 0, count: 40), to: $0.path("train-labels.npy"))
      },
      Fault("labels that are no whole numbers", "train-labels.npy", "row 7", "0.5") {
        try NPY.write(Vector<Float>((0..<40).map { $0 == 7 ? 0.5 : 1 }), to: $0.path("train-labels.npy"))
      },
      weights("negative weight", "example 7", "-0.5", weights: weights(replacing: 7, by: -0.5)),
      weights("weight that is no number", "example 39", "nan", weights: weights(replacing: 39, by: .nan)),
      weights("infinite weight", "example 0", "inf", weights: weights(replacing: 0, by: .infinity)),
      weights("weights that are all zero", "all weights are 0", weights: weights(replacing: 0, by: 0)),
      weights("fewer weights than examples", "39 weights", "40 examples", weights: [Double](repeating: 1, count: 39)),
      weights("missing weights", code: 66, weights: nil),
      Fault("weights in a table", 65, ["train-features.npy", "[40, 6]", "weights"]) { _ in
        Fault.train + ["--set", "data.train.weights=train-features.npy"]
      },
      Fault("missing features", 66, "train-features.npy") { workspace in
        try FileManager.default.removeItem(atPath: workspace.path("train-features.npy"))
        return Fault.train
      },
      Fault("missing labels", 66, "train-labels.npy") { workspace in
        try FileManager.default.removeItem(atPath: workspace.path("train-labels.npy"))
        return Fault.train
      },
      Fault("a folder for a file", 66, "train-features.npy") { workspace in
        try FileManager.default.removeItem(atPath: workspace.path("train-features.npy"))
        try FileManager.default.createDirectory(
          atPath: workspace.path("train-features.npy"), withIntermediateDirectories: false)
        return Fault.train
      },
    ]

    /// A fault of the file of weights for 40 examples.
    private static func weights(
      _ name: String, _ words: String..., code: Int32 = 65, weights: [Double]?
    ) -> Fault {
      Fault(name, code, ["weights.npy"] + words) { workspace in
        if let weights { try NPY.write(Vector(weights), to: workspace.path("weights.npy")) }
        return Fault.train + ["--set", "data.train.weights=weights.npy"]
      }
    }

    private static func weights(replacing row: Int, by weight: Double) -> [Double] {
      (0..<40).map { $0 >= row ? weight : 1 }
    }

    private static let withTestSet = Fault.configuration.replacing(
      "npy}}", with: "npy}, test: {features: test-features.npy, labels: test-labels.npy}}")

    @Test(arguments: faults) func `One line of error`(fault: Fault) throws { try fault.check() }

    @Test func `The undamaged files of these tests train`() throws {
      for compressed in [false, true] {
        let workspace = Workspace()
        let end = compressed ? "idx.gz" : "idx"
        try Examples(40, features: 6, classes: 3).writeIDX(compressed: compressed, to: workspace)
        try workspace.write(
          "run.yaml", "data: {train: {features: train-features.\(end), labels: train-labels.\(end)}}\n")
        try Program.run(Fault.train, in: workspace).expectSuccess()
      }
      let workspace = Workspace()
      try Examples(40, features: 6, classes: 3).write(to: workspace)
      try Examples(9, features: 6, classes: 3).write("test", to: workspace)
      try workspace.write("run.yaml", Self.withTestSet)
      try Program.run(Fault.train, in: workspace).expectSuccess()
    }
  }
}
