import Datasets
import Foundation
import GaussNewton
import LinearAlgebra
import MPI
import Networks
import TestSupport
import Testing

@testable import Training

/// Runs on any number of ranks.
@Suite(.serialized) struct PredictorCollectiveTests {
  private let problem = ToyProblem(rows: 9001, features: 5, classes: 8, largestMargin: 12, seed: 3)
  private let network = Network([Linear(inputs: 5, outputs: 8)])

  private func predictor() -> Predictor<Double> {
    Predictor(network, Vector(problem.parameters), .none, communicator: World.communicator)
  }

  private func features(_ values: [[Double]]) -> Features {
    .dense(FeatureMatrix(values.flatMap { $0 }, shape: [5]))
  }

  @Test func `Rank zero gets the softmax of all rows in their order`() throws {
    var (probabilities, classes): ([Double], [Int64]) = ([], [])
    try predictor().run(features(problem.oracle.features), named: "f") {
      probabilities += $0.probabilities.elements.array
      classes += $0.classes
    }
    guard World.communicator.rank == 0 else {
      #expect(probabilities.isEmpty && classes.isEmpty)
      return
    }
    try #require(probabilities.count == 9001 * 8 && classes.count == 9001)
    for row in stride(from: 0, to: 9001, by: 100) {
      let z = problem.oracle.logits(problem.parameters, row: row)
      let total = z.reduce(0) { $0 + exp($1) }
      let found = probabilities[row * 8..<(row + 1) * 8]
      #expect(zip(found, z).allSatisfy { abs($0 - exp($1) / total) < 1e-12 })
      #expect(Int(classes[row]) == z.indices.max { z[$0] < z[$1] })
    }
  }

  @Test func `An error of the receiver is thrown on every rank`() {
    let error = #expect(throws: CollectiveFailure.self) {
      try predictor().run(features(problem.oracle.features), named: "f") { _ in
        throw DataError.unwritable("out", "is full")
      }
    }
    #expect(error?.exitCode == 74)
    #expect(error?.description == "out: is full")
  }

  @Test func `A feature that is not finite is named on every rank`() {
    var values = problem.oracle.features
    values[8999][2] = .infinity
    values[9000][0] = .nan
    let error = #expect(throws: CollectiveFailure.self) {
      try predictor().run(features(values), named: "f") { _ in }
    }
    #expect(error?.exitCode == 65)
    #expect(error?.description.hasPrefix("f: example 8999 has a value that is not finite") == true)
  }

  @Test func `Softmax of huge logits is finite`() {
    let logits = Matrix(Vector<Float>([1e30, -1e30, 0, 1000, 1001, 999]), 2, 3)
    logits.applySoftmax()
    #expect(logits[row: 0].array == [1, 0, 0])
    #expect(zip(logits[row: 1].array, [0.2447, 0.6652, 0.0900]).allSatisfy { abs($0 - $1) < 1e-4 })
  }

  @Test func `The first of equal maxima wins`() {
    #expect(Matrix(Vector<Float>([1, 2, 2, 3, 3, 1, 0, 0, 0]), 3, 3).rowMaxima() == [1, 0, 0])
  }

  @Test func `The ending of a name decides its format`() {
    #expect(PredictionFile.Format("a/b.npy") == .npy)
    #expect(PredictionFile.Format("b.CSV") == .csv)
    for name in ["b", "b.txt", "npy", "b.npy.gz"] { #expect(PredictionFile.Format(name) == nil) }
  }

  @Test func `An unfinished file leaves nothing`() throws {
    let folder = TemporaryFolder()
    for name in ["p.npy", "p.csv"] {
      let file = try PredictionFile(folder.path(name), of: .probabilities, rows: 4, classCount: 2, Double.self)
      try file.append(Matrix(Vector([0.25, 0.75]), 1, 2))
    }
    #expect(try folder.names == [])
  }

  @Test func `A list of classes whose names are fractions has these`() throws {
    let folder = TemporaryFolder()
    for (names, isPosition) in [(["0.5", "1.0", "1.5"], false), (["0.5", "0.1000000000000000055"], true)] {
      let classes = ClassMap(texts: names)
      let path = folder.path("c.npy")
      let file = try PredictionFile(
        path, of: .classes, rows: 3, classCount: classes.count, classes: classes, Float.self)
      try file.append([1, 0, 1] as [Int64])
      try file.finish()
      let bytes = try folder.bytes("c.npy")
      #expect(String(decoding: bytes, as: UTF8.self).contains(isPosition ? "'<i8'" : "'<f8'"))
      let words = bytes.suffix(24).withUnsafeBytes { bytes in
        (0..<3).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: UInt64.self) }
      }
      #expect(words == (isPosition ? [1, 0, 1] : [1.0, 0.5, 1.0].map(\.bitPattern)))
    }
  }

  @Test func `CSV holds every digit`() throws {
    let folder = TemporaryFolder()
    let numbers = [0.1, 1.0 / 3, 1e-300, 1 - 1e-16]
    let file = try PredictionFile(folder.path("p.csv"), of: .probabilities, rows: 2, classCount: 2, Double.self)
    try file.append(Matrix(Vector(numbers), 2, 2))
    try file.finish()
    let lines = String(decoding: try folder.bytes("p.csv"), as: UTF8.self).split(separator: "\n")
    #expect(lines.first == "p0,p1")
    #expect(lines.dropFirst().flatMap { $0.split(separator: ",").map { Double($0) } } == numbers)
  }
}
