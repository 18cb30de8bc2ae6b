import LinearAlgebra
import Testing

@testable import Datasets

/// The column of the labels in tables with names, read for a model that knows its features by their numbers alone.
@Suite struct CSVLabelTests {
  func options(_ count: Int, _ header: CSV.Header = .auto) -> CSV.Options {
    var options = CSV.Options(header: header, featureCount: count, element: .float64)
    options.numbersAreFeatures = true
    return options
  }

  /// Three rows under these names, with column · 10 + row + 0.5 as the value of a feature, and classes 0, 1, 0 in column
  /// `label`.
  func table(_ names: String, label: Int, _ header: CSV.Header = .auto) throws -> CSV.Table {
    let names = names.split(separator: ",")
    let rows = (0..<3).map { row in
      names.indices.map { $0 == label ? "\(row % 2)" : "\(Double(10 * $0 + row) + 0.5)" }.joined(separator: ",")
    }
    return try TextInMemory(([names.joined(separator: ",")] + rows).joined(separator: "\n"))
      .csv(options(names.count - 1, header))
  }

  @Test(arguments: [
    // Names that number the features, and the label beside them.
    ("label,0,1,2", 0), ("0,label,1,2", 1), ("0,1,2,label", 3), ("rating,0,1,2", 0), ("species,2,0,1", 0),
    ("1,2,what,3", 2), ("3,1,what,2", 2), ("label,1,2,3,4,5,6", 0), ("0,what", 1), ("class,0", 0),
    // A usual name of labels alone.
    ("label,pixel0,pixel1,pixel2", 0), ("Class,a,b", 0), ("a,TARGET,b", 1), ("y,a,b,c", 0), ("y,x", 0),
    // None, or several.
    ("a,b,c,d", 3), ("x,y,z,quality", 3), ("x,y", 1), ("class,label,a", 2), ("a,b,species", 2),
  ]) func `Its names tell it, or else it is the last`(_ names: String, _ label: Int) throws {
    for header in [CSV.Header.yes, .auto] {
      let table = try table(names, label: label, header)
      let columns = names.split(separator: ",").map(String.init)
      #expect(table.columns.label == columns[label] && table.columns.labelColumn == label + 1)
      #expect(table.labels?.texts == ["0", "1"])
      let numbers = columns.map { Int($0) ?? -1 }
      let isNumbered = numbers.count { $0 >= 0 } == columns.count - 1
      let order = columns.indices.filter { $0 != label }.sorted { isNumbered ? numbers[$0] < numbers[$1] : $0 < $1 }
      #expect(values(of: table.features) == (0..<3).flatMap { row in order.map { Double(10 * $0 + row) + 0.5 } })
      #expect(table.columns.summary(nil).hasSuffix("label '\(columns[label])'"), "\(table.columns.summary(nil))")
    }
  }

  @Test func `A number in a line that may be an example is not taken for the name of the labels`() throws {
    // The numbers beside 7 are those of the features, and 2 may be a class.
    let rows = "0.5,1.25,2.75,0\n1.5,0.25,2.25,2\n2.5,1.25,0.5,1\n"
    let example = try TextInMemory("7.5,0,1,2\n" + rows).csv(options(3))
    #expect(example.features.rows == 4 && !example.columns.hasNames)
    #expect(example.columns.summary(nil) == "no header, columns by position, label in column 4")
    #expect(
      dataError { _ = try TextInMemory("7,0,1,2\n" + rows).csv(options(3)) }?.message
        .hasPrefix("line 1: column 1 has '7', which stands beside numbers that count the features") == true)
    let named = try TextInMemory("7,0,1,2\n0,1.5,2.5,0.5\n").csv(options(3, .yes))
    #expect(named.columns.label == "7" && values(of: named.features) == [1.5, 2.5, 0.5])
    // All columns are numbered: the last one is that of the labels.
    #expect(try TextInMemory("0,1,2,3\n1,2,3,0\n").csv(options(3, .yes)).columns.label == "3")
    #expect(try TextInMemory("1,2,3,0\n1,2,3,0\n").csv(options(3, .yes)).columns.label == "0")
  }

  @Test func `The column that the user names stays the one`() throws {
    var options = options(3)
    let text = "label,0,1,2\n0,1.5,2,3\n1,4,5,6\n"
    for (label, column) in [(CSV.LabelPosition.first, 1), (.number(1), 1), (.name("label"), 1), (.number(3), 3)] {
      (options.label, options.header) = (label, .yes)
      #expect(try TextInMemory(text).csv(options).columns.labelColumn == column)
    }
    // A table of just the features has no labels.
    options = self.options(4)
    let bare = try TextInMemory("label,a,b,c\n0,1.5,2,3\n").csv(options)
    #expect(bare.labels == nil && bare.columns.summary(nil) == "header: names, columns by position, no labels")
  }
}
