import Testing

@testable import Datasets

@Suite struct DatasetTests {
  let directory = try! TemporaryDirectory()

  @Test func `Two files make a data set`() throws {
    let features = directory.write(Fixtures.threeAxes, "features.npy")
    let labels = directory.write(Fixtures.labelsI8, "labels.npy")
    let data = try Dataset(features: FileList(features), labels: FileList(labels))
    #expect(data.count == 3 && data.featureCount == 4 && data.featureShape == [2, 2])
    #expect(data.labels == [2, 0, 1] && data.classCount == 3)
    #expect(try Dataset(features: FileList(features), labels: FileList(labels), classCount: 7).classCount == 7)
    let error = dataError {
      _ = try Dataset(features: FileList(features), labels: FileList(labels), ArrayOptions(format: .idx))
    }
    #expect(error?.exitCode == 65)
  }

  @Test func `Files of different length are both named`() throws {
    let features = directory.write(Fixtures.idx(0x08, [2, 2], [1, 2, 3, 4]), "features")
    let labels = directory.write(Fixtures.labelsI8, "labels")
    let error = dataError { _ = try Dataset(features: FileList(features), labels: FileList(labels)) }
    #expect(error?.exitCode == 65)
    for part in [features, labels, "2 examples", "3 labels"] { #expect(error?.description.contains(part) == true) }
  }

  @Test func `Labels are checked by range`() {
    let data = Dataset(
      features: FeatureMatrix([UInt8](repeating: 0, count: 6), shape: [1]), labels: [0, 4, 2, -1, 9, 1])
    #expect(data.classCount == 10)
    #expect(
      data.maximumLabel(in: 0..<6) == 9 && data.maximumLabel(in: 2..<4) == 2 && data.maximumLabel(in: 3..<3) == nil)
    #expect(data.firstLabelOutOfRange(classes: 5, in: 0..<6) == 3)
    #expect(data.firstLabelOutOfRange(classes: 4, in: 0..<6) == 1)
    #expect(data.firstLabelOutOfRange(classes: 9, in: 4..<6) == 4)
    #expect(data.firstLabelOutOfRange(classes: 10, in: 4..<6) == nil)
    #expect(data.firstLabelOutOfRange(classes: 1, in: 1..<1) == nil)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity, .signalingNaN])
  func `The first non finite value is found`(_ bad: Double) {
    for position in 0..<21 {
      var numbers = (0..<21).map { Double($0) * 1e30 }
      numbers[position] = bad
      numbers[20] = bad
      let row = position / 7
      for features in [FeatureMatrix(numbers, shape: [7]), FeatureMatrix(numbers.map { Float($0) }, shape: [7])] {
        let found = features.firstNonFinite(in: 0..<3)
        #expect(found?.row == row && found?.column == position % 7)
        #expect(features.firstNonFinite(in: 0..<row) == nil)
        let rest = features.firstNonFinite(in: 2..<3)
        #expect(rest?.row == 2 && rest?.column == (row == 2 ? position % 7 : 6))
      }
    }
    let largest = FeatureMatrix([Float.greatestFiniteMagnitude, -Float.greatestFiniteMagnitude, 0, -0], shape: [2])
    #expect(largest.firstNonFinite(in: 0..<2) == nil)
    #expect(FeatureMatrix([255, 0] as [UInt8], shape: [1]).firstNonFinite(in: 0..<2) == nil)
  }
}
