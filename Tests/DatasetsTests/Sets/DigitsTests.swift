import Testing

@testable import Datasets

@Suite struct DigitsTests {
  @Test func `The embedded digits are those of scikit learn`() {
    let (train, test) = Dataset.digits()
    #expect(train.count == 1437 && test.count == 360)
    #expect(train.featureShape == [8, 8] && train.classCount == 10 && train.features.element == .uint8)
    func classCounts(_ data: Dataset) -> [Int] { (0..<10).map { label in data.labels.count { $0 == label } } }
    #expect(classCounts(train) == [139, 145, 130, 155, 139, 150, 144, 152, 144, 139])
    #expect(classCounts(test) == [39, 37, 47, 28, 42, 32, 37, 27, 30, 41])
    // zlib.crc32 of the permuted arrays in Python, as uint8: pixels, then classes.
    func bytes(_ data: Dataset) -> [UInt8] { values(of: data.features.matrix!).map { UInt8($0) } }
    let pixels = FeatureMatrix(bytes(train) + bytes(test), shape: [64])
    #expect(pixels.checksum(in: 0..<1797) == 0x4af4_d430)
    let labels = FeatureMatrix((train.labels + test.labels).map { UInt8($0) }, shape: [1])
    #expect(labels.checksum(in: 0..<1797) == 0x4a82_8ff5)
  }
}
