import Foundation
import LinearAlgebra
import MPI
import Testing
import Training

@testable import Study

struct StudyTests {
  private let folder = FileManager.default.temporaryDirectory.appending(path: "fgn-study-\(UUID().uuidString)").path

  private func laboratory() -> Laboratory {
    Laboratory(communicator: Communicator(), isQuick: true, fashion: "", wordnet: nil) { _ in }
  }

  @Test func `Rank correlations are spearmans`() {
    #expect(rankCorrelation([1, 2, 3, 10], [1, 4, 9, 1000]) == 1)
    #expect(rankCorrelation([1, 2, 3, 4], [4, 3, 2, 1]) == -1)
    // 1 − 6 Σd²/(n(n² − 1)), d = 1, 1, 0, 1, 1.
    #expect(abs(rankCorrelation([1, 2, 3, 4, 5], [2, 1, 3, 5, 4]) - 0.8) < 1e-15)
    // Ties share their ranks: the ranks of y are 1, 2.5, 2.5, 4, and r = 4.5/√(5 · 4.5).
    #expect(abs(rankCorrelation([1, 2, 3, 4], [0, 1, 1, 2]) - 4.5 / 22.5.squareRoot()) < 1e-15)
    #expect(rankCorrelation([1, 2], [3, 3]).isNaN)
  }

  @Test func `Eigenvalues are those of the matrix`() {
    // 2 − 2 cos(kπ/(n + 1)) for the second difference.
    let n = 9
    let matrix = (0..<n).map { a in (0..<n).map { a == $0 ? 2.0 : abs(a - $0) == 1 ? -1 : 0 } }
    let found = eigenvalues(ofSymmetric: matrix).sorted()
    for k in 1...n { #expect(abs(found[k - 1] - (2 - 2 * cos(Double(k) * .pi / Double(n + 1)))) < 1e-14) }
    #expect(eigenvalues(ofSymmetric: [[2, 0], [0, -1]]) == [2, -1])
  }

  @Test func `A table goes on where it was stopped`() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let path = "\(folder)/data.csv"
    let table = try Table(path, columns: ["a", "b"], over: Communicator())
    try table.append([["a": "1", "b": "x"], ["a": "2.5", "b": ""]])
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.seekToEnd()
    try handle.write(contentsOf: Data("3,cut sho".utf8))
    try handle.close()

    let again = try Table(path, columns: ["a", "b"], over: Communicator())
    #expect(again.rows == table.rows)
    #expect(
      again.contains(["a": "1", "b": "x"]) && !again.contains(["a": "1", "b": "y"]) && !again.contains(["a": "3"]))
    #expect(again.rows[1]["a"] == 2.5 && again.rows[1]["b"].isNaN)
    try again.append([["a": "3", "b": "y"]])
    #expect(try String(contentsOfFile: path, encoding: .utf8) == "a,b\n1,x\n2.5,\n3,y\n")
    #expect(throws: CollectiveFailure.self) { try Table(path, columns: ["a", "c"], over: Communicator()) }
  }

  /// Compares with dense matrices in Double: (G + λI)Δ = −g, with G from π and the features.
  @Test func `Both steps solve their dense systems`() throws {
    let comparison = StepComparison(
      classes: 4, rows: 5, features: 3, concentration: 1.5, margin: 0.3, damping: 0.02, seed: 2)
    let problem = comparison.problem()
    let (rows, columns, classes) = (5, problem.inputs.columns, 4)
    let count = classes * (columns + 1)
    func solve(full: Bool) -> [Double] {
      var a = [[Double]](repeating: [Double](repeating: 0, count: count + 1), count: count)
      for i in 0..<rows {
        let z = (0..<classes).map { problem.logits[i, $0] }
        let sum = z.reduce(0) { $0 + exp($1) }
        let π = z.map { exp($0) / sum }
        let y = Int(problem.labels[i])
        let p = π[y]
        let v = (0..<classes).map { $0 == y ? 1 : -π[$0] / (1 - p) }
        // The features, and 1 for the bias; parameters are the weights class by class, then the biases.
        func place(_ c: Int, _ k: Int) -> Int { k < columns ? c * columns + k : classes * columns + c }
        let h = (0..<columns).map { problem.inputs[i, $0] } + [1]
        for c in 0..<classes {
          for k in 0...columns {
            a[place(c, k)][count] += (1 - p) * v[c] * h[k] / Double(rows)
            for d in 0..<classes {
              let curvature = full ? (c == d ? π[c] : 0) - π[c] * π[d] : p * (1 - p) * v[c] * v[d]
              for l in 0...columns { a[place(c, k)][place(d, l)] += curvature * h[k] * h[l] / Double(rows) }
            }
          }
        }
      }
      for j in 0..<count { a[j][j] += comparison.damping }
      // Gauss-Jordan elimination; the matrix is positive definite.
      for j in 0..<count {
        let pivot = a[j][j]
        for k in j...count { a[j][k] /= pivot }
        for i in 0..<count where i != j {
          let factor = a[i][j]
          for k in j...count { a[i][k] -= factor * a[j][k] }
        }
      }
      return a.map { $0[count] }
    }
    let (fast, full) = (solve(full: false), solve(full: true))
    func norm(_ x: [Double]) -> Double { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let result = try comparison.run(over: Communicator())
    let cosine = zip(fast, full).reduce(0) { $0 + $1.0 * $1.1 } / (norm(fast) * norm(full))
    #expect(abs(result.cosine - cosine) < 1e-7)
    #expect(abs(result.normRatio - norm(fast) / norm(full)) < 1e-7)
    #expect(abs(result.difference - norm(zip(fast, full).map { $0 - $1 }) / norm(full)) < 1e-7)
    #expect(result.difference > 0.01)
  }

  @Test func `Margin statistics are those of the softmax`() {
    let logits = Matrix(Vector([1.0, 2, 0.5, -1, 0, 0, 3, 1]), 2, 4)
    let statistics = MarginStatistics(logits, [1, 2])
    var (effective, weight, dropped, total) = (0.0, 0.0, 0.0, 0.0)
    for (i, y) in [1, 2].enumerated() {
      let e = (0..<4).map { exp(logits[i, $0]) }
      let sum = e.reduce(0, +)
      let p = e[y] / sum
      let q = (0..<4).map { $0 == y ? 0 : e[$0] / (sum - e[y]) }
      let square = q.reduce(0) { $0 + $1 * $1 }
      effective += 1 / square / 2
      weight += p * (1 - p) / 2
      dropped += (1 - p) * (1 - square)
      total += e.reduce(0) { $0 + $1 / sum * (1 - $1 / sum) }
    }
    #expect(abs(statistics.effective - effective) < 1e-12)
    #expect(abs(statistics.weight - weight) < 1e-12)
    #expect(abs(statistics.dropped - dropped / total) < 1e-12)
  }

  @Test(arguments: ["decomposition", "concentration", "damping", "soft-targets"])
  func `What the paper says holds`(name: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let experiment = try #require(Study.experiments(isQuick: true).first { $0.name == name })
    let findings = try Study.run(experiment, in: folder, laboratory(), drawsFigures: false)
    // Expectations for much smaller damping are only reported.
    for finding in findings where !finding.statement.hasPrefix("λ 0.001: the cosine") {
      #expect(finding.holds, "\(finding.statement)")
    }
    let data = try String(contentsOfFile: "\(folder)/\(name)/data.csv", encoding: .utf8)
    // Nothing is missing, so that nothing is measured again.
    #expect(try Study.run(experiment, in: folder, laboratory(), drawsFigures: false).count == findings.count)
    #expect(try String(contentsOfFile: "\(folder)/\(name)/data.csv", encoding: .utf8) == data)
    let summary = try String(contentsOfFile: "\(folder)/\(name)/summary.md", encoding: .utf8)
    #expect(summary.contains("**Claim.**") && summary.contains("| holds |"))
  }

  @Test func `A quick study is not mixed with a full one`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let experiment = Study.experiments(isQuick: true)[0]
    _ = try Study.run(experiment, in: folder, laboratory(), drawsFigures: false)
    let full = Laboratory(communicator: Communicator(), isQuick: false, fashion: "", wordnet: nil) { _ in }
    let error = #expect(throws: CollectiveFailure.self) {
      try Study.run(experiment, in: folder, full, drawsFigures: false)
    }
    #expect(error?.exitCode == 64)
  }
}
