import Foundation
import LinearAlgebra
import Testing

@testable import Datasets

@Suite struct ClassMapTests {
  func column(_ texts: [String]) -> LabelColumn {
    LabelColumn(
      texts: texts, places: texts.indices.map { .init(path: "other", line: 3 * $0 + 2) },
      codes: texts.indices.map { Int32($0) })
  }

  @Test func `Numbers are ordered and compared by value`() throws {
    let map = ClassMap(texts: ["10", "+2", "-1", "2.0", "2.00", "9", "02"])
    #expect(map.isNumeric && map.names == ["-1", "+2", "9", "10"])
    #expect(try map.classes(of: column(["2", "-1.0", "1e1", "2e0"])) == [1, 0, 3, 1])
    #expect(map.classNumber(of: "3") == nil && map.classNumber(of: "two") == nil && map.classNumber(of: "") == nil)
    #expect(ClassMap(texts: ["0", "-0", "1"]).names == ["0", "1"])
  }

  @Test func `Texts are ordered by scalars`() throws {
    let map = ClassMap(texts: ["b", "10", "Z", "é", "9", "b", "a b", ""])
    #expect(!map.isNumeric && map.names == ["", "10", "9", "Z", "a b", "b", "é"])
    #expect(map.classNumber(of: "9.0") == nil)
    #expect(try map.classes(of: column(["é", "b"])) == [6, 5])
  }

  @Test func `Identifiers of many digits are their exact values`() throws {
    let texts = ["12345678901234567891", "12345678901234567890", "5", "9007199254740993", "9007199254740992"]
    let map = ClassMap(texts: texts + ["9007199254740992.0", "+12345678901234567890"])
    #expect(map.isNumeric && map.names == ["5", texts[4], texts[3], texts[1], texts[0]])
    #expect(map.classNumber(of: "9.007199254740993e15") == 2 && map.classNumber(of: "9007199254740994") == nil)
    #expect(ClassMap(texts: ["-1e400", "1e-400", "0.0", "1e400", "-0"]).names == ["-1e400", "-0", "1e-400", "1e400"])
    #expect(ClassMap(texts: ["0.05", ".5e-1", "5e-2", "0.5", "-.50", "-5e-1"]).names == ["-.50", "0.05", "0.5"])
    // Models of earlier versions have this order.
    let old = ["12345678901234567890", "5"]
    let read = try JSONDecoder().decode(ClassMap.self, from: JSONEncoder().encode(old))
    #expect(read.names == old && !read.isNumeric)
    for text in ["inf", "nan", "0x1", " 1", "1_0"] { #expect(!ClassMap(texts: ["1", text]).isNumeric) }
  }

  @Test func `Names are doubles where these have just their values`() {
    for (names, doubles) in [
      (["0.5", "1.0", "1.50"], [0.5, 1, 1.5]), (["-2", "0.1", "1e300"], [-2, 0.1, 1e300]), (["1", "2"], [1, 2]),
      (["0.1000000000000000055", "1"], nil), (["0.5", "9007199254740993"], nil), (["0.5", "1e400"], nil),
      (["0.5", "a"], nil),
    ] as [([String], [Double]?)] {
      #expect(ClassMap(texts: names).doubles == doubles, "\(names)")
    }
  }

  @Test func `An unknown label is named with its file and line`() {
    let error = dataError { _ = try ClassMap(texts: ["1", "2"]).classes(of: column(["2", "7"])) }
    #expect(error?.exitCode == 65 && error?.path == "other")
    #expect(error?.message.hasPrefix("line 5: the label '7' is none of the 2 classes of the training set") == true)
  }

  @Test func `Maps survive coding`() throws {
    for texts in [["1", "+2", "03"], ["a", "1"], ["x"], []] {
      let map = ClassMap(texts: texts)
      let coded = try JSONEncoder().encode(map)
      #expect(try JSONDecoder().decode(ClassMap.self, from: coded) == map)
    }
    #expect(String(decoding: try JSONEncoder().encode(ClassMap(texts: ["b", "a"])), as: UTF8.self) == #"["a","b"]"#)
    for text in [#"["2", "1"]"#, #"["1", "1.0"]"#, #"["a", "a"]"#, #"[1, 2]"#, #"{"names": []}"#] {
      #expect(throws: DecodingError.self) { try JSONDecoder().decode(ClassMap.self, from: Data(text.utf8)) }
    }
  }

  @Test func `Many classes are read in any number of parts`() throws {
    var generator = SplitMix64(seed: 9)
    let classes = (0..<10_000).map { _ in Int(generator.next(below: 4000)) }
    for suffix in ["", "-label-of-some-length"] {
      let text = TextInMemory(classes.map { "\($0)\(suffix) 1:1\n" }.joined())
      let labels = try text.svmLight(chunkSize: 5000).labels!
      #expect(labels.texts.count == Set(classes).count)
      let isRight = zip(classes, labels.codes).allSatisfy { labels.texts[Int($1)] == "\($0)\(suffix)" }
      #expect(isRight)
      let areFirst = labels.places.map(\.line).enumerated().allSatisfy { code, line in
        labels.codes.firstIndex(of: Int32(code)) == line - 1
      }
      #expect(areFirst)
      let map = ClassMap(labels)
      let numbers = try map.classes(of: labels)
      #expect(zip(classes, numbers).allSatisfy { map.names[Int($1)] == "\($0)\(suffix)" })
    }
  }

  @Test func `Names that are integers are known as such`() {
    #expect(ClassMap(texts: ["2.0", "-1", "10", "9007199254740993"]).integers == [-1, 2, 10, 9_007_199_254_740_993])
    #expect(ClassMap(texts: ["1", "2.5"]).integers == nil && ClassMap(texts: ["1", "a"]).integers == nil)
    #expect(ClassMap(texts: ["1", "1e30"]).integers == nil)
  }
}
