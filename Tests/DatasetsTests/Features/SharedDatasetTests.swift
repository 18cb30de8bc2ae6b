import Datasets
import Foundation
import LinearAlgebra
import TestSupport
import Testing

@testable import Datasets

@Suite struct SharedDatasetTests {
  static var sparse: SparseFeatures {
    try! SparseFeatures(
      name: "x", columns: 5, starts: [0, 2, 2, 3], indices: [0, 4, 1], values: [1.5, -2, 3] as [Float])
  }

  static var sets: [Dataset] {
    let doubles: [Double] = [1, 2, 3, 4, 5, 6]
    let bytes = (0..<24).map { UInt8($0) }
    let names = ClassMap(texts: ["a", "b", "c", "d", "e", "f", "g"])
    return [
      Dataset(features: FeatureMatrix(doubles, shape: [2]), labels: [0, 1, 0]),
      Dataset(
        features: .dense(FeatureMatrix(bytes, shape: [2, 4])), labels: [0, 1, 1], classCount: 7, classes: names),
      Dataset(features: .sparse(sparse), labels: [2, 1, 0]),
      Dataset(features: .sparse(sparse[rows: 0..<2]), labels: [2, 1]),
    ]
  }

  @Test(arguments: 0..<4) func `Another process has the same examples in the same memory`(index: Int) throws {
    let set = Self.sets[index]
    let message = try JSONEncoder().encode(#require(SharedDataset(set)))
    let other = try #require(try JSONDecoder().decode(SharedDataset.self, from: message).dataset(labels: set.labels))
    #expect(other.labels == set.labels && other.classCount == set.classCount)
    #expect(other.classes == set.classes)
    #expect(other.featureShape == set.featureShape && other.count == set.count)
    #expect(other.features.place == set.features.place && set.features.place != nil)
    #expect(other.features.element == set.features.element)
    #expect(other.features.isSparse == set.features.isSparse)
    for rows in [0..<set.count, 1..<2] {
      #expect(other.features.checksum(in: rows) == set.features.checksum(in: rows))
    }
  }

  @Test func `Memory that is gone is not found, nor that which took its place`() throws {
    var set: Dataset? = Dataset(features: FeatureMatrix([1, 2] as [Float], shape: [2]), labels: [0])
    let shared = try #require(SharedDataset(set!))
    set = nil
    let next = Dataset(features: FeatureMatrix([3, 4] as [Float], shape: [2]), labels: [0])
    #expect(shared.dataset(labels: [0]) == nil)
    #expect(next.count == 1)
  }

  @Test func `Rows within a set, and those of a file, are not memory to share`() throws {
    #expect(SharedDataset(Dataset(features: .sparse(Self.sparse[rows: 1..<3]), labels: [0, 0])) == nil)
  }

  @Test func `Of a set of files, those that were unpacked are shared, and the others are mapped`() throws {
    let directory = try TemporaryDirectory()
    let paths = ["a.npy", "b.npy"].map { directory.path + "/" + $0 }
    for (index, path) in paths.enumerated() {
      let rows = (0..<6).map { Double(6 * index + $0) }
      try NPY.write(Matrix(Vector(rows), 3, 2), to: path)
    }
    let packed = FeatureMatrix((0..<6).map { Double($0) }, shape: [2])
    let mapped = try FeatureMatrix(path: paths[1])
    func set(_ features: FeatureMatrix) -> Dataset {
      Dataset(features: features, labels: Array(repeating: 1, count: features.rows))
    }
    #expect(SharedDataset(set(mapped)) == nil)

    var whole = set(FeatureMatrix(joining: [packed, mapped]))
    whole.featureFiles = SetFiles(paths.map { ($0, 3) })
    let shared = try #require(SharedDataset(whole))
    let other = try #require(shared.dataset(labels: whole.labels))
    #expect(other.features.matrix.map(values(of:)) == (0..<12).map { Double($0) })
    #expect(other.features.place == whole.features.place && whole.features.place != nil)
    #expect(other.featureFiles == whole.featureFiles)

    try FileManager.default.removeItem(atPath: paths[1])
    #expect(shared.dataset(labels: whole.labels) == nil)
    try FileManager.default.copyItem(atPath: paths[0], toPath: paths[1])
    #expect(shared.dataset(labels: whole.labels) == nil)
  }
}
