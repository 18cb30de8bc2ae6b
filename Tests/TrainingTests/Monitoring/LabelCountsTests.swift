import Testing

@testable import Training

/// Classes without examples are reported.
@Suite struct LabelCountsTests {
  func warning(_ labels: [Int32], _ classCount: Int? = nil) -> String? {
    LabelCounts(labels, classCount: classCount ?? Int(labels.max()!) + 1).warning
  }

  @Test func `Classes without examples are named`() {
    #expect(warning([0, 1, 2, 1]) == nil)
    #expect(warning([1, 2, 10, 3, 4, 5, 6, 7, 8, 9])?.hasPrefix("labels 1 to 10: class 0 has no examples") == true)
    #expect(warning([0, 3, 1]) == "labels 0 to 3: class 2 has no examples")
    #expect(warning([0, 1], 4) == "labels 0 to 1: classes 2, 3 have no examples")
    #expect(warning([0, 19])?.contains("18 of 20 classes have no examples, the first of them 1") == true)
  }

  @Test func `A label far from the others may be one to ignore`() {
    let text = warning([0, 1, 2, 255, 255])
    #expect(text?.hasPrefix("255 only in 2 rows") == true && text?.contains("data.ignore_label: 255") == true)
    #expect(warning((0..<200).map { $0 } + [255])?.contains("data.ignore_label") == false)
  }
}
