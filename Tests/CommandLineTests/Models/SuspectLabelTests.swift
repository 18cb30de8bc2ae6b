import Datasets
import Foundation
import LinearAlgebra
import TestSupport
import Testing

extension DataTests {
  @Suite("Suspect labels")
  struct SuspectLabelTests {
    private static let model = "run/model.safetensors"
    private static let files = ["--features", "features.npy", "--labels", "labels.npy"]

    /// A linear head trained on the digits, with wrong labels for some of them.
    private func train() throws -> (workspace: Workspace, planted: Set<Int>, labels: [Int]) {
      let workspace = Workspace()
      let digits = Dataset.digits().train
      let pixels = Matrix<Float>(zeros: digits.count, 64)
      digits.features.matrix!.gather(rows: 0..<digits.count, into: pixels, normalization: .none)
      var labels = digits.labels.map { Int($0) }
      var samples = Samples(seed: 5)
      var planted: Set<Int> = []
      while planted.count < 40 {
        let row = samples.integer(below: labels.count)
        guard planted.insert(row).inserted else { continue }
        labels[row] = (labels[row] + 1 + samples.integer(below: 9)) % 10
      }
      try NPY.write(pixels, to: workspace.path("features.npy"))
      try NPY.write(labels.map { Int64($0) }, to: workspace.path("labels.npy"))
      try workspace.write(
        "run.yaml",
        """
        data: {train: {features: features.npy, labels: labels.npy}}
        optimizer: {weight_decay: 1e-3}
        training: {epochs: 10}
        """)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return (workspace, planted, labels)
    }

    @Test func `Are first where labels are wrong`() throws {
      let (workspace, planted, labels) = try train()
      let runs = [(Ranks.plain, "1.csv"), (.mpirun(2), "2.csv"), (.mpirun(3), "3.csv")]
      for (ranks, name) in runs {
        let arguments = ["evaluate", Self.model, "--suspects", name, "--suspects-count", "50"] + Self.files
        try Program.run(ranks, arguments, in: workspace).expectSuccess()
      }
      let table = try workspace.bytes("1.csv")
      for (_, name) in runs.dropFirst() { #expect(try workspace.bytes(name) == table) }

      let lines = String(decoding: table, as: UTF8.self).split(separator: "\n")
      #expect(lines.first == "row,label,predicted,label_probability,predicted_probability,margin")
      let rows = try lines.dropFirst().map { line in try line.split(separator: ",").map { try #require(Double($0)) } }
      #expect(rows.count == 50)
      let found = rows.count { planted.contains(Int($0[0])) }
      #expect(found >= 36, "\(found) of 40")

      // The probabilities that `predict` writes give the same suspects.
      try Program.run(
        ["predict", Self.model, "--features", "features.npy", "--probabilities", "p.npy"], in: workspace
      ).expectSuccess()
      let p = try NPYArray<Float>(workspace.bytes("p.npy")).values.map { Double($0) }
      func probability(_ row: Int, _ c: Int) -> Double { p[row * 10 + c] }
      for row in rows {
        let (i, label, predicted) = (Int(row[0]), Int(row[1]), Int(row[2]))
        #expect(label == labels[i])
        #expect(predicted == (0..<10).max { probability(i, $0) < probability(i, $1) })
        #expect(abs(row[3] / probability(i, label) - 1) < 1e-4)
        #expect(abs(row[4] / probability(i, predicted) - 1) < 1e-4)
        #expect(abs(row[5] - log(row[3] / (1 - row[3]))) < 1e-4)
      }
      #expect(zip(rows, rows.dropFirst()).allSatisfy { $0[5] <= $1[5] })
      let least = labels.indices.sorted { probability($0, labels[$0]) < probability($1, labels[$1]) }.prefix(50)
      #expect(Set(least) == Set(rows.map { Int($0[0]) }))
    }

    @Test func `Are a hundred unless told and at most all`() throws {
      let workspace = try train().workspace
      for (arguments, count) in [([], 100), (["--suspects-count", "1000000"], 1437)] {
        let all = ["evaluate", Self.model, "--suspects", "s.csv"] + arguments + Self.files
        try Program.run(all, in: workspace).expectSuccess()
        #expect(try workspace.bytes("s.csv").count { $0 == UInt8(ascii: "\n") } == count + 1)
      }
    }
  }
}
