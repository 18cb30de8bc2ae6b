import LinearAlgebra
import Testing

@testable import Datasets

/// Columns that are found by the names that a model or a training set knows.
@Suite struct CSVColumnsTests {
  let known = TableColumns(features: ["x", "y", "2"], label: "kind")

  func options(
    _ label: CSV.LabelPosition = .last, _ header: CSV.Header = .auto, given: Bool = false, reads: Bool = true
  ) -> CSV.Options {
    var options = CSV.Options(header: header, label: label, featureCount: 3, element: .float64)
    (options.known, options.isLabelGiven, options.readsLabels) = (known, given, reads)
    return options
  }

  func read(_ text: String, _ options: CSV.Options? = nil) throws -> CSV.Table {
    try TextInMemory(text).csv(options ?? self.options())
  }

  func message(_ text: String, _ options: CSV.Options? = nil) -> String {
    dataError { _ = try read(text, options) }?.message ?? "no error"
  }

  @Test func `They are matched in any order`() throws {
    let orders = [[0, 1, 2, 3], [3, 0, 1, 2], [2, 1, 0, 3], [1, 3, 2, 0], [0, 3, 1, 2], [2, 3, 0, 1]]
    let names = ["x", "y", "2", "kind"]
    for order in orders {
      let rows = [[1, 2, 3, 7], [4, 5, 6, 8], [7, 8, 9, 7]]
      let text = ([order.map { names[$0] }] + rows.map { row in order.map { "\(row[$0])" } })
        .map { $0.joined(separator: ";") }.joined(separator: "\n")
      for label in [CSV.LabelPosition.last, .first, .number(2), .name("kind")] {
        let table = try read(text, options(label))
        #expect(values(of: table.features) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
        #expect(table.labels?.texts == ["7", "8"] && table.labels?.codes == [0, 1, 0])
        #expect(table.columns == TableColumns(features: ["x", "y", "2"], label: "kind"))
        let unread = try read(text, options(label, reads: false))
        #expect(unread.labels == nil && values(of: unread.features) == values(of: table.features))
      }
    }
    #expect(values(of: try read("y,2,x\n1,2,3\n").features) == [3, 1, 2])
    #expect(values(of: try read("y,2,x\n1,2,3\n", options(.name("kind"), reads: false)).features) == [3, 1, 2])
  }

  @Test func `Names that only look alike are two`() throws {
    let (one, two) = ("\u{e9}", "e\u{301}")
    var options = CSV.Options(featureCount: 2, element: .float64)
    options.known = TableColumns(features: [one, two], label: "kind")
    #expect(options.known != TableColumns(features: [two, one], label: "kind"))
    for text in ["\(two),\(one),kind\n1,2,a\n", "kind,\(two),\(one)\na,1,2\n"] {
      let table = try read(text, options)
      #expect(values(of: table.features) == [2, 1])
      #expect(table.columns.names == [one.scalars, two.scalars])
    }
    #expect(message("\(one),\(one),kind\n1,2,a\n", options).contains("names no column 'e\u{301}'"))
    // The labels, their column on demand, and the names of a further file.
    options.known = TableColumns(features: [one, "x"], label: two)
    #expect(values(of: try read("\(two),x,\(one)\na,1,2\n", options).features) == [2, 1])
    let asked = try read("\(one),\(two),x\n1,a,2\n", CSV.Options(label: .name(two)))
    #expect(values(of: asked.features) == [1, 2] && asked.labels?.texts == ["a"])
    #expect(message("\(one),x,l\n1,2,a\n", CSV.Options(label: .name(two))).contains("no column 'e\u{301}'"))
    let files = ["\(one),\(two),l\n1,2,a\n", "\(two),\(one),l\n1,2,a\n"].map { TextInMemory($0) }
    defer { extendLifetime(files) }
    let other = dataError { _ = try CSV.read(try files.enumerated().map { try $1.file("file \($0)") }) }
    #expect(other?.message.contains("for the name of column 1, and file 0 has") == true)
  }

  @Test func `Files whose names only look alike are two`() throws {
    let (one, two) = ("\u{e9}.csv", "e\u{301}.csv")
    #expect(try FileList([one, two]).paths().count == 2)
    #expect(dataError { _ = try FileList([one, one]).paths() }?.message.contains("is named twice") == true)
    let names = ["\u{e9}", "e\u{301}"]
    for (index, name) in names.enumerated() {
      #expect(try ArrayName.choose(ArrayName("x.npz:\(name)"), among: names, "x.npz") == index)
    }
  }

  @Test func `Labels may have another name at their position`() throws {
    let table = try read("y,2,x,class\n1,2,3,a\n")
    #expect(values(of: table.features) == [3, 1, 2] && table.labels?.texts == ["a"] && table.columns.label == "class")
    #expect(try read("class,y,2,x\na,1,2,3\n", options(.first)).labels?.texts == ["a"])
    #expect(
      message("class,y,2,x\na,1,2,3\n").hasPrefix("line 1: names columns that the training set does not have: 'class'"))
  }

  @Test func `What is missing or unknown is named`() {
    for (text, words) in [
      ("x,y,kind\n1,2,a\n", "line 1: names no column '2'; the features are"),
      ("y,kind\n1,a\n", "line 1: names no column 'x', '2'; "),
      ("x,y,z,2,kind\n1,2,3,4,a\n", "line 1: names columns that the training set does not have: 'z'; remove"),
      ("id,x,y,2,w,kind\n1,1,2,3,4,a\n", "have: 'id', 'w'; remove"),
      ("y,x,x,2,kind\n1,2,3,4,a\n", "line 1: has another order than the training set, and one name"),
      ("kind,y,kind,2,x\n1,2,3,4,a\n", "have: 'kind'"), ("a,b,c,kind\n1,2,3,a\n", "names no column 'x', 'y', '2'"),
    ] {
      #expect(message(text).contains(words), "\(message(text))")
    }
    let given = message("x,kind,2,y\n1,a,2,3\n", options(.number(4), given: true))
    #expect(given.hasPrefix("line 1: names the labels in column 2, 'kind', and not in column 4, 'y'"), "\(given)")
    #expect(message("x,y,2,kind\n1,2,3,a\n", options(.number(4), given: true)) == "no error")
  }

  @Test func `A name that several columns have is one in its place`() throws {
    var options = CSV.Options(featureCount: 2, element: .float64)
    options.known = TableColumns(features: ["x", "x"], label: "kind")
    #expect(values(of: try read("x,x,kind\n1,2,a\n", options).features) == [1, 2])
    #expect(values(of: try read("kind,x,x\na,1,2\n", options).features) == [1, 2])
    #expect(message("x,kind,y\n1,a,2\n", options).contains("does not have: 'y'"))
  }

  @Test func `A table without names is read by position and says so`() throws {
    let table = try read("7,2,3,a\n4,5,6,b\n")
    #expect(values(of: table.features) == [7, 2, 3, 4, 5, 6] && !table.columns.hasNames)
    #expect(table.columns.note?.contains("has no names for its columns") == true)
    #expect(table.columns.summary(known).contains("in the order of the model's"))
    #expect(try read("x,y,2,kind\n1,2,3,a\n").columns.summary(known) == "header: names, columns by name, label 'kind'")
    #expect(message("x,y,2,kind\n1,2,3,a\n", options(.last, .no)).hasPrefix("line 1: column 1 has 'x'"))
  }

  @Test func `Labels that are not read may be anything`() throws {
    for text in ["x,y,2,kind\n1,2,3,\n4,5,6,nan\n", "1,2,3,\n4,5,6,nan\n"] {
      #expect(values(of: try read(text, options(reads: false)).features) == [1, 2, 3, 4, 5, 6])
      #expect(message(text).contains("the label is empty"))
    }
  }

  // MARK: Labels

  @Test(arguments: ["nan", "NaN", "inf", "-inf", "+Infinity", "\"nan\""])
  func `Missing labels are no classes`(_ text: String) {
    for others in ["0", "red"] {
      for (name, error) in [
        ("table", message("1,2,\(others)\n3,4,7\n\n5,6,\(text)\n", CSV.Options())),
        (
          "sparse",
          dataError { _ = try TextInMemory("\(others) 1:1\n7 1:2\n\n\(text.filter { $0 != "\"" }) 1:2").svmLight() }?
            .message ?? ""
        ),
      ] {
        let label = text.filter { $0 != "\"" }
        #expect(
          error == "line 4: the label '\(label)' stands for a missing one; fill it in, or remove such lines", "\(name)")
      }
    }
  }

  @Test func `What may name a class is missing among numbers alone`() throws {
    for text in ["NA", "None", "null", "?", "N/A"] {
      #expect(message("1,2,0\n3,4,1.0\n5,6,\(text)\n", CSV.Options()).hasPrefix("line 3: the label '\(text)' stands"))
      #expect(try read("1,2,yes\n3,4,no\n5,6,\(text)\n", CSV.Options()).labels?.texts == ["yes", "no", text])
    }
    for text in ["info", "nano", "-", "infinite", "x"] {
      #expect(try read("1,2,0\n3,4,\(text)\n", CSV.Options()).labels?.texts == ["0", text])
    }
  }

  @Test func `Large integers are classes of their own`() throws {
    let labels = ["9007199254740993", "9007199254740992", "9007199254740991", "18446744073709551617"]
    let table = try read(labels.map { "1,2,\($0)\n" }.joined(), CSV.Options())
    let column = try #require(table.labels)
    #expect(ClassMap(column).names == [labels[2], labels[1], labels[0], labels[3]])
  }
}
