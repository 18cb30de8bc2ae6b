import Datasets
import Foundation
import Testing

extension DataTests {
  @Suite("A trained model")
  struct PredictionTests {
    private static let (rows, classes) = (300, 7)
    private static let model = "run/model.safetensors"

    /// A model in float64 and a test set.
    private func train() throws -> (workspace: Workspace, test: Examples) {
      let workspace = Workspace()
      let all = Examples(1000, features: 12, classes: Self.classes)
      var (train, test) = (all, all)
      train.features.removeLast(Self.rows)
      train.labels.removeLast(Self.rows)
      test.features.removeFirst(1000 - Self.rows)
      test.labels.removeFirst(1000 - Self.rows)
      try train.write(to: workspace)
      try test.write("test", to: workspace)
      try workspace.write(
        "run.yaml",
        """
        data:
          train: {features: train-features.npy, labels: train-labels.npy}
          test: {features: test-features.npy, labels: test-labels.npy}
          normalize: standardize
        optimizer: {batch_size: 128}
        training: {epochs: 3, precision: float64}
        """)
      try Program.run(Fault.train, in: workspace).expectSuccess()
      return (workspace, test)
    }

    private func predict(_ ranks: Ranks, _ name: String, in workspace: Workspace) throws {
      try Program.run(
        ranks,
        ["predict", Self.model, "--features", "test-features.npy"]
          + ["--probabilities", "p-\(name)", "--classes", "c-\(name)", "--logits", "z-\(name)"], in: workspace
      ).expectSuccess()
    }

    @Test func `Predicts probabilities and their largest`() throws {
      let (workspace, test) = try train()
      try predict(.plain, "one.npy", in: workspace)
      let probabilities = try NPYArray<Double>(workspace.bytes("p-one.npy"))
      let classes = try NPYArray<Int64>(workspace.bytes("c-one.npy"))
      let logits = try NPYArray<Double>(workspace.bytes("z-one.npy"))
      #expect(logits.header == probabilities.header)
      #expect(
        probabilities.header.contains("'<f8'") && probabilities.header.contains("(\(Self.rows), \(Self.classes))"))
      #expect(classes.header.contains("'<i8'") && classes.header.contains("(\(Self.rows),)"))
      for row in 0..<Self.rows {
        let p = Array(probabilities.values[row * Self.classes..<(row + 1) * Self.classes])
        #expect(abs(p.reduce(0, +) - 1) < 1e-12)
        #expect(p.allSatisfy { $0 >= 0 && $0 <= 1 })
        #expect(Int(classes.values[row]) == p.indices.max { p[$0] < p[$1] })
        let z = logits.values[row * Self.classes..<(row + 1) * Self.classes]
        let total = z.reduce(0) { $0 + exp($1) }
        #expect(zip(p, z).allSatisfy { abs($0 - exp($1) / total) < 1e-12 })
      }

      // The files agree with the last evaluation and with `evaluate`.
      let correct = zip(classes.values, test.labels).count { Int($0) == $1 }
      let accuracy = Double(correct) / Double(Self.rows)
      let logged = try #require(try workspace.metrics("run").last { $0.event == "evaluation" && $0.split == "test" })
      #expect(logged.accuracy == accuracy)
      let loss = zip(test.labels.indices, test.labels).reduce(0) {
        $0 - log(probabilities.values[$1.0 * Self.classes + $1.1])
      }
      #expect(abs(try #require(logged.loss) - loss / Double(Self.rows)) < 1e-12)
      let evaluation = try Program.run(["evaluate", Self.model], in: workspace)
      #expect(evaluation.output.contains("accuracy \(String(format: "%.2f", 100 * accuracy)) %"))
      #expect(accuracy > 0.5, "an untrained model proves little")
    }

    @Test func `Predicts the same on three ranks`() throws {
      let (workspace, _) = try train()
      try predict(.plain, "one.npy", in: workspace)
      try predict(.mpirun(3), "three.npy", in: workspace)
      let one = try NPYArray<Double>(workspace.bytes("p-one.npy"))
      let three = try NPYArray<Double>(workspace.bytes("p-three.npy"))
      try #require(one.values.count == Self.rows * Self.classes && three.values.count == one.values.count)
      #expect(one.header == three.header)
      let difference = zip(one.values, three.values).map { abs($0 - $1) }.max()!
      #expect(difference < 1e-12)
      Figures.note("predictions of 1 and 3 ranks", difference)
      #expect(try workspace.bytes("c-one.npy") == workspace.bytes("c-three.npy"))
    }

    @Test func `Writes the same numbers as CSV`() throws {
      let (workspace, _) = try train()
      try predict(.plain, "one.npy", in: workspace)
      try predict(.mpirun(3), "three.csv", in: workspace)
      func lines(_ name: String) throws -> [Substring] {
        try String(decoding: workspace.bytes(name), as: UTF8.self).split(separator: "\n")
      }
      let probabilities = try lines("p-three.csv")
      #expect(probabilities.first == "p0,p1,p2,p3,p4,p5,p6")
      let numbers = probabilities.dropFirst().flatMap { $0.split(separator: ",").map { Double($0) ?? .nan } }
      let expected = try NPYArray<Double>(workspace.bytes("p-one.npy")).values
      #expect(numbers.count == expected.count)
      #expect(zip(numbers, expected).allSatisfy { abs($0 - $1) < 1e-12 })
      let logits = try lines("z-three.csv")
      #expect(logits.first == "z0,z1,z2,z3,z4,z5,z6")
      let scores = logits.dropFirst().flatMap { $0.split(separator: ",").map { Double($0) ?? .nan } }
      let expectedScores = try NPYArray<Double>(workspace.bytes("z-one.npy")).values
      #expect(scores.count == expectedScores.count)
      #expect(zip(scores, expectedScores).allSatisfy { abs($0 - $1) < 1e-11 })
      let classes = try lines("c-three.csv")
      #expect(classes.first == "class")
      #expect(try classes.dropFirst().map { Int64($0) } == NPYArray<Int64>(workspace.bytes("c-one.npy")).values)
    }

    @Test func `Scores explicit files as configured ones`() throws {
      let (workspace, _) = try train()
      let configured = try Program.run(["evaluate", Self.model], in: workspace)
      configured.expectSuccess()
      #expect(configured.output.contains("(300 examples)"))
      let files = ["--features", "test-features.npy", "--labels", "test-labels.npy"]
      for ranks in [Ranks.plain, .mpirun(3)] {
        let explicit = try Program.run(ranks, ["evaluate", Self.model] + files, in: workspace)
        explicit.expectSuccess()
        #expect(explicit.output == configured.output)
      }
      let other = try Program.run(
        ["evaluate", Self.model, "--features", "train-features.npy", "--labels", "train-labels.npy"], in: workspace)
      #expect(other.output.contains("(700 examples)"))
    }

    /// Scores by their definitions, from the probabilities that `predict` writes.
    @Test func `Is scored class by class`() throws {
      let (workspace, test) = try train()
      try predict(.plain, "one.npy", in: workspace)
      let p = try NPYArray<Double>(workspace.bytes("p-one.npy")).values
      let rows = (0..<Self.rows).map { Array(p[$0 * Self.classes..<($0 + 1) * Self.classes]) }
      let taken = rows.map { row in row.indices.max { row[$0] < row[$1] }! }
      func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
      func own(_ c: Int) -> [Int] { test.labels.indices.filter { test.labels[$0] == c } }
      let classes = 0..<Self.classes
      let accuracies = classes.map { c in mean(own(c).map { taken[$0] == c ? 1 : 0 }) }
      let losses = classes.map { c in mean(own(c).map { -log(rows[$0][c]) }) }
      let top5 = classes.map { c in mean(own(c).map { i in rows[i].count { $0 > rows[i][c] } < 5 ? 1 : 0 }) }
      var error = 0.0
      for bin in 0..<15 {
        let members = rows.indices.filter { min(14, Int(rows[$0].max()! * 15)) == bin }
        if members.isEmpty { continue }
        let accuracy = mean(members.map { taken[$0] == test.labels[$0] ? 1 : 0 })
        error += Double(members.count) / Double(Self.rows) * abs(accuracy - mean(members.map { rows[$0].max()! }))
      }
      #expect(error > 0.005, "a calibrated model proves little")

      for (number, ranks) in [Ranks.plain, .mpirun(3)].enumerated() {
        let (table, confusion) = ("classes-\(number).csv", "confusion-\(number).csv")
        let outcome = try Program.run(
          ranks, ["evaluate", Self.model, "--json", "--classes", table, "--confusion", confusion], in: workspace)
        outcome.expectSuccess()
        let totals = try JSONDecoder().decode([String: Double].self, from: Data(outcome.output.utf8))
        #expect(totals.count == 8)
        for (key, expected) in [
          ("balanced_accuracy", mean(accuracies)), ("balanced_loss", mean(losses)),
          ("balanced_top5_accuracy", mean(top5)), ("calibration_error", error), ("examples", Double(Self.rows)),
        ] {
          #expect(abs(try #require(totals[key]) - expected) < 1e-9, "\(key)")
        }
        func lines(_ name: String) throws -> [[Double?]] {
          let text = String(decoding: try workspace.bytes(name), as: UTF8.self)
          return text.split(separator: "\n").dropFirst().map { $0.split(separator: ",").map { Double($0) } }
        }
        let perClass = try lines(table)
        #expect(perClass.count == Self.classes)
        for (c, line) in perClass.enumerated() {
          let hits = own(c).count { taken[$0] == c }
          let predicted = taken.count { $0 == c }
          let expected: [Double] = [
            Double(c), Double(own(c).count), Double(predicted), accuracies[c], top5[c],
            Double(hits) / Double(predicted),
            losses[c],
          ]
          #expect(line.count == 7 && zip(line, expected).allSatisfy { abs($0! - $1) < 1e-9 }, "\(line) \(expected)")
        }
        for (i, line) in try lines(confusion).enumerated() {
          #expect(line.dropFirst() == (classes.map { j in Double(own(i).count { taken[$0] == j }) })[...])
        }
      }
      let words = try Program.run(["evaluate", Self.model], in: workspace).output
      #expect(words.contains("balanced  loss") && words.contains("expected calibration error"))
      #expect(words.contains("worst class \(accuracies.indices.min { accuracies[$0] < accuracies[$1] }!): "))
    }

    @Test func `Shows its tensors and its configuration`() throws {
      let (workspace, _) = try train()
      for ranks in [Ranks.plain, .mpirun(2)] {
        let outcome = try Program.run(ranks, ["inspect", Self.model, "--config"], in: workspace)
        outcome.expectSuccess()
        let lines = outcome.output.split(separator: "\n")
        #expect(lines.count { $0.hasPrefix("model.0.weight") && $0.contains("F64") && $0.contains("7 × 12") } == 1)
        #expect(lines.count { $0.hasPrefix("model.0.bias") } == 1)
        #expect(
          outcome.output.contains("classifier of 12 features into 7 classes, 91 parameters, normalize standardize"))
        let yaml = try String(decoding: workspace.bytes("run/config.yaml"), as: UTF8.self)
        #expect(outcome.output.contains(yaml.trimmingCharacters(in: .newlines)))
      }
      let checkpoint = "run/checkpoints/\(try #require(workspace.checkpoints("run").last))"
      #expect(try Program.run(["inspect", checkpoint], in: workspace).output.contains("checkpoint after step 18"))
    }

    @Test func `Refuses rows of another width`() throws {
      let (workspace, _) = try train()
      try Examples(5, features: 11, classes: 3).write("other", to: workspace)
      for ranks in [Ranks.plain, .mpirun(3)] {
        let words = ["other-features.npy", "11", "12"]
        let files = ["--features", "other-features.npy"]
        try Program.run(ranks, ["predict", Self.model, "--classes", "out.npy"] + files, in: workspace)
          .expectError(65, mentioning: words)
        try Program.run(ranks, ["evaluate", Self.model, "--labels", "other-labels.npy"] + files, in: workspace)
          .expectError(65, mentioning: words)
      }
      #expect(!workspace.exists("out.npy"))
    }

    @Test func `Leaves no half file when a feature is not finite`() throws {
      let workspace = try train().workspace
      var bad = Examples(300, features: 12, classes: 3)
      bad.features[299][11] = .nan
      try bad.write("bad", to: workspace)
      for ranks in [Ranks.plain, .mpirun(3)] {
        try Program.run(
          ranks,
          ["predict", Self.model, "--features", "bad-features.npy", "--probabilities", "p.npy", "--classes", "c.csv"],
          in: workspace
        ).expectError(65, mentioning: ["bad-features.npy", "example 299"])
      }
      #expect(workspace.names(".").allSatisfy { !$0.hasPrefix("p.npy") && !$0.contains("c.csv") })
    }

    @Test func `Cannot be written where there is no folder`() throws {
      let workspace = try train().workspace
      for ranks in [Ranks.plain, .mpirun(3)] {
        for end in ["npy", "csv"] {
          let options = ["--features", "test-features.npy", "--classes", "none/c.\(end)"]
          try Program.run(ranks, ["predict", Self.model] + options, in: workspace)
            .expectError(74, mentioning: ["none/c.\(end)"])
        }
      }
    }
  }
}
